// SPDX-License-Identifier: BSD-3-Clause
// Instructions in which the lanes of a warp see each other: shfl, vote, match, redux, elect, activemask,
// bar.warp.
//
// A .sync form waits until all lanes that its mask names are at it (or have exited). Lanes that arrive early
// stand still; the warp runs the others, which merge with them when they come to the same instruction.
#include <cstring>

#include "engine/registry.h"
#include "engine/warp.h"

namespace softgpu {
namespace {

// All lanes that any active lane's mask names. Without a mask operand (the old, unsynchronised forms): nobody
// else.
uint32_t named(Warp& w, uint32_t operand) {
  if (operand == kNoOperand) return w.active;
  const auto* mask = row<uint32_t>(w, operand);
  uint32_t all = 0;
  each_lane(w.active, [&](int i) { all |= mask[i]; });
  return all;
}

#define SOFTGPU_WAIT_FOR_LANES(operand) \
  if (!w.all_here(named(w, operand))) return w.block_group(ip, GroupState::waiting)

uint32_t mask_of(Warp& w, uint32_t operand, int lane) {
  return operand == kNoOperand ? w.active : row<uint32_t>(w, operand)[lane] & w.active;
}

enum class Shuffle { up, down, butterfly, index };

// Operands: 0 value, 1 predicate, 2 a, 3 b (lane or distance), 4 c (clamp and segment mask), 5 members.
template <Shuffle Mode>
const Instr* shuffle(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_LANES(ip->o[5]);
  auto* d = destination<uint32_t>(w, ip->o[0]);
  auto* p = destination<uint32_t>(w, ip->o[1]);
  const auto* b = row<uint32_t>(w, ip->o[3]);
  const auto* c = row<uint32_t>(w, ip->o[4]);
  uint32_t a[kLanes];  // d may be the same row
  std::memcpy(a, row<uint32_t>(w, ip->o[2]), sizeof a);
  each_lane(w.active, [&](int lane) {
    const int distance = static_cast<int>(b[lane] & 31);
    const int clamp = static_cast<int>(c[lane] & 31);
    const int segment = static_cast<int>(c[lane] >> 8 & 31);
    const int highest = (lane & segment) | (clamp & ~segment);
    const int lowest = lane & segment;
    int from = 0;
    bool valid = false;
    switch (Mode) {
      case Shuffle::up:
        from = lane - distance;
        valid = from >= highest;
        break;
      case Shuffle::down:
        from = lane + distance;
        valid = from <= highest;
        break;
      case Shuffle::butterfly:
        from = lane ^ distance;
        valid = from <= highest;
        break;
      case Shuffle::index:
        from = lowest | (distance & ~segment);
        valid = from <= highest;
        break;
    }
    d[lane] = a[valid ? from : lane];
    p[lane] = valid ? ~0u : 0;
  });
  return ip + 1;
}

enum class Vote { all, any, uniform, ballot };

template <Vote Mode>
const Instr* vote(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_LANES(ip->o[2]);
  const auto* p = row<uint32_t>(w, ip->o[1]);
  auto* d = destination<uint32_t>(w, ip->o[0]);
  uint32_t yes = 0;
  each_lane(w.active, [&](int i) { yes |= static_cast<uint32_t>(p[i] != 0) << i; });
  each_lane(w.active, [&](int i) {
    const uint32_t members = mask_of(w, ip->o[2], i);
    const uint32_t votes = yes & members;
    switch (Mode) {
      case Vote::all:
        d[i] = votes == members ? ~0u : 0;
        break;
      case Vote::any:
        d[i] = votes != 0 ? ~0u : 0;
        break;
      case Vote::uniform:
        d[i] = votes == 0 || votes == members ? ~0u : 0;
        break;
      case Vote::ballot:
        d[i] = votes;
        break;
    }
  });
  return ip + 1;
}

template <class T, bool All>
const Instr* match(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_LANES(ip->o[3]);
  T a[kLanes];
  std::memcpy(a, row<T>(w, ip->o[2]), sizeof a);
  auto* d = destination<uint32_t>(w, ip->o[0]);
  auto* p = destination<uint32_t>(w, ip->o[1]);
  uint32_t members[kLanes];
  each_lane(w.active, [&](int i) { members[i] = mask_of(w, ip->o[3], i); });
  each_lane(w.active, [&](int i) {
    uint32_t same = 0;
    each_lane(members[i], [&](int k) { same |= static_cast<uint32_t>(a[k] == a[i]) << k; });
    const bool every = same == members[i];
    d[i] = All && !every ? 0 : same;
    p[i] = every ? ~0u : 0;
  });
  return ip + 1;
}

template <class T, auto F>
const Instr* reduce(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_LANES(ip->o[2]);
  T a[kLanes];
  std::memcpy(a, row<T>(w, ip->o[1]), sizeof a);
  auto* d = destination<T>(w, ip->o[0]);
  uint32_t members[kLanes];
  each_lane(w.active, [&](int i) { members[i] = mask_of(w, ip->o[2], i); });
  uint32_t known_for = 0;
  T known{};
  each_lane(w.active, [&](int i) {
    if (members[i] != known_for || known_for == 0) {
      known_for = members[i];
      known = a[std::countr_zero(known_for | 1u << i)];
      each_lane(known_for & (known_for - 1), [&](int k) { known = F(known, a[k]); });
    }
    d[i] = known;
  });
  return ip + 1;
}

const Instr* elect(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_LANES(ip->o[2]);
  auto* d = destination<uint32_t>(w, ip->o[0]);
  auto* p = destination<uint32_t>(w, ip->o[1]);
  each_lane(w.active, [&](int i) {
    const auto leader = static_cast<uint32_t>(std::countr_zero(mask_of(w, ip->o[2], i)));
    d[i] = leader;
    p[i] = leader == static_cast<uint32_t>(i) ? ~0u : 0;
  });
  return ip + 1;
}

const Instr* active_mask(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const uint32_t mask = w.active;
  each_lane(mask, [&](int i) { d[i] = mask; });
  return ip + 1;
}

// Unlike the others this may be satisfied from different places of the code: lanes count as arrived wherever
// they wait for their warp.
const Instr* warp_barrier(Warp& w, const Instr* ip) {
  const uint32_t needed = named(w, ip->o[0]);
  if (w.all_here(needed)) return ip + 1;
  if (w.join_warp_barrier(needed, ip->fn)) return ip + 1;
  return w.block_group(ip, GroupState::waiting);
}

}  // namespace

void register_collectives(Registry& r) {
  r.add("shfl.up", "", shuffle<Shuffle::up>);
  r.add("shfl.down", "", shuffle<Shuffle::down>);
  r.add("shfl.bfly", "", shuffle<Shuffle::butterfly>);
  r.add("shfl.idx", "", shuffle<Shuffle::index>);
  r.add("vote.all", "", vote<Vote::all>);
  r.add("vote.any", "", vote<Vote::any>);
  r.add("vote.uni", "", vote<Vote::uniform>);
  r.add("vote.ballot", "", vote<Vote::ballot>);
  r.add("match.any.b32", "", match<uint32_t, false>);
  r.add("match.any.b64", "", match<uint64_t, false>);
  r.add("match.all.b32", "", match<uint32_t, true>);
  r.add("match.all.b64", "", match<uint64_t, true>);
  using U = uint32_t;
  using S = int32_t;
  r.add("redux.add.u32", "", reduce<U, [](U a, U b) { return a + b; }>);
  r.add("redux.add.s32", "", reduce<U, [](U a, U b) { return a + b; }>);
  r.add("redux.min.u32", "", reduce<U, [](U a, U b) { return a < b ? a : b; }>);
  r.add("redux.max.u32", "", reduce<U, [](U a, U b) { return a < b ? b : a; }>);
  r.add("redux.min.s32", "", reduce<S, [](S a, S b) { return a < b ? a : b; }>);
  r.add("redux.max.s32", "", reduce<S, [](S a, S b) { return a < b ? b : a; }>);
  r.add("redux.and.b32", "", reduce<U, [](U a, U b) { return a & b; }>);
  r.add("redux.or.b32", "", reduce<U, [](U a, U b) { return a | b; }>);
  r.add("redux.xor.b32", "", reduce<U, [](U a, U b) { return a ^ b; }>);
  r.add("elect", "", elect);
  r.add("activemask.b32", "=w", active_mask);
  r.add("bar.warp.sync", "", warp_barrier);
}

}  // namespace softgpu
