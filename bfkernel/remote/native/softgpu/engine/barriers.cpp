// SPDX-License-Identifier: BSD-3-Clause
// Barriers of a block: bar.sync, bar.arrive, bar.red, and the barrier of a cluster of one block.
//
// Arrivals count threads. A warp all of whose living lanes arrive together counts as 32 even if it has fewer,
// because programs give expected counts in whole warps.
#include "engine/block.h"
#include "engine/registry.h"

namespace softgpu {

void Block::arrive(Warp& w, uint8_t id, uint32_t expected, uint32_t mask, bool waits) {
  Barrier& b = barriers[id];
  const auto lanes = static_cast<uint32_t>(std::popcount(mask));
  b.expected = expected;
  b.arrived += expected != 0 && mask == w.live ? kLanes : lanes;
  if (waits) b.waiting += lanes;
}

void Block::check_barrier(uint8_t id) {
  const Barrier& b = barriers[id];
  if (b.arrived == 0) return;
  if (id == kGridBarrier) {
    if (at_grid_barrier || b.arrived < live_threads) return;
    at_grid_barrier = true;
    grid_generation = launch->grid_generation.load();
    if (launch->grid_arrived.fetch_add(1) + 1 == launch->blocks) {
      launch->grid_arrived.store(0);
      launch->grid_generation.fetch_add(1);
    }
    return;  // Block::run lets the threads go once the generation has changed
  }
  if (b.expected == 0 ? b.arrived >= live_threads : b.arrived >= b.expected) complete(id);
}

void Block::lanes_exited(uint32_t count) {
  live_threads -= count;
  for (uint8_t id = 0; id <= kGridBarrier; ++id) check_barrier(id);
}

bool Block::pass_grid_barrier() {
  if (launch->grid_generation.load() == grid_generation) return false;
  at_grid_barrier = false;
  complete(kGridBarrier);
  return true;
}

void Block::complete(uint8_t id) {
  const Barrier done = barriers[id];
  barriers[id] = {};
  uint32_t result = done.count;
  if (done.reduction == Reduction::conjunction) result = done.count == done.voters ? ~0u : 0;
  if (done.reduction == Reduction::disjunction) result = done.count != 0 ? ~0u : 0;
  for (uint32_t i = 0; i < warp_count; ++i) {
    warps[i]->release(id, [&](Group& g) {
      if (done.reduction == Reduction::none || g.ip->o[0] == kNoOperand) return;
      auto* d = reinterpret_cast<uint32_t*>(g.frame->rows + g.ip->o[0]);
      each_lane(g.mask, [&](int lane) { d[lane] = result; });
    });
  }
}

namespace {

// Operands: 0 result, 1 barrier, 2 expected count, 3 predicate. aux: Reduction, or'ed with these.
constexpr uint32_t kArriveOnly = 16;
constexpr uint32_t kVoteNegated = 32;

const Instr* barrier(Warp& w, const Instr* ip) {
  const int lane = std::countr_zero(w.active);
  const uint32_t id = row<uint32_t>(w, ip->o[1])[lane];
  const uint32_t expected = ip->o[2] == kNoOperand ? 0 : row<uint32_t>(w, ip->o[2])[lane];
  if (id > 15 || expected % kLanes != 0) {
    return w.fault(Fault::illegal_instruction, ip, static_cast<uint32_t>(lane),
                   "barrier number above 15 or count not a multiple of 32");
  }
  Block& block = *w.block;
  const auto number = static_cast<uint8_t>(id);
  const bool arrive_only = (ip->aux & kArriveOnly) != 0;
  Barrier& b = block.barriers[id];
  const auto reduction = static_cast<Reduction>(ip->aux & 15);
  if (reduction != Reduction::none) {
    const uint32_t* p = row<uint32_t>(w, ip->o[3]);
    b.reduction = reduction;
    each_lane(w.active, [&](int i) {
      b.count += (p[i] != 0) != ((ip->aux & kVoteNegated) != 0);
      ++b.voters;
    });
  }
  block.arrive(w, number, expected, w.active, !arrive_only);
  if (arrive_only) {
    block.check_barrier(number);
    return ip + 1;
  }
  // Park the group first, so that completing the barrier finds it with the others.
  Group& g = w.group();
  g.ip = ip;
  g.state = GroupState::barrier;
  g.barrier = number;
  block.check_barrier(number);
  if (g.state == GroupState::ready) return w.resume_after_barrier();
  return w.block_group(ip, GroupState::barrier, number);
}

// A cluster has one block here. arrive marks, wait waits for all: together they are barrier 15 of nobody's.
const Instr* cluster_arrive(Warp&, const Instr* ip) { return ip + 1; }

}  // namespace

void register_barriers(Registry& r) {
  r.add("barrier.sync", "", barrier, 0);
  r.add("barrier.arrive", "", barrier, kArriveOnly);
  r.add("barrier.red.and", "", barrier, static_cast<uint32_t>(Reduction::conjunction));
  r.add("barrier.red.or", "", barrier, static_cast<uint32_t>(Reduction::disjunction));
  r.add("barrier.red.popc", "", barrier, static_cast<uint32_t>(Reduction::count));
  r.add("barrier.cluster.arrive", "", cluster_arrive);
}

}  // namespace softgpu
