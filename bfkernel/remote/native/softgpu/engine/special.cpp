// SPDX-License-Identifier: BSD-3-Clause
#include "engine/special.h"

#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <string>
#include <unordered_map>

#include "engine/block.h"
#include "engine/registry.h"

namespace softgpu {
namespace {

enum Id {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kZero,
  kOne,
  kLaneId,
  kWarpId,
  kNwarpId,
  kSmid,
  kNsmid,
  kGridId,
  kClock,
  kClockHigh,
  kClock64,
  kTimer,
  kTimerLow,
  kTimerHigh,
  kMaskEq,
  kMaskLe,
  kMaskLt,
  kMaskGe,
  kMaskGt,
  kDynamicShared,
  kTotalShared,
  kReservedShared,
  kWorkspaceHigh,
  kWorkspaceLow,
};

const std::unordered_map<std::string_view, SpecialRegister>& table() {
  static const std::unordered_map<std::string_view, SpecialRegister> registers = [] {
    std::unordered_map<std::string_view, SpecialRegister> t = {
        {"%tid.x", {kTidX, 4}},
        {"%tid.y", {kTidY, 4}},
        {"%tid.z", {kTidZ, 4}},
        {"%ntid.x", {kNtidX, 4}},
        {"%ntid.y", {kNtidY, 4}},
        {"%ntid.z", {kNtidZ, 4}},
        {"%ctaid.x", {kCtaidX, 4}},
        {"%ctaid.y", {kCtaidY, 4}},
        {"%ctaid.z", {kCtaidZ, 4}},
        {"%nctaid.x", {kNctaidX, 4}},
        {"%nctaid.y", {kNctaidY, 4}},
        {"%nctaid.z", {kNctaidZ, 4}},
        // A cluster is one block.
        {"%clusterid.x", {kCtaidX, 4}},
        {"%clusterid.y", {kCtaidY, 4}},
        {"%clusterid.z", {kCtaidZ, 4}},
        {"%nclusterid.x", {kNctaidX, 4}},
        {"%nclusterid.y", {kNctaidY, 4}},
        {"%nclusterid.z", {kNctaidZ, 4}},
        {"%cluster_ctaid.x", {kZero, 4}},
        {"%cluster_ctaid.y", {kZero, 4}},
        {"%cluster_ctaid.z", {kZero, 4}},
        {"%cluster_nctaid.x", {kOne, 4}},
        {"%cluster_nctaid.y", {kOne, 4}},
        {"%cluster_nctaid.z", {kOne, 4}},
        {"%cluster_ctarank", {kZero, 4}},
        {"%cluster_nctarank", {kOne, 4}},
        {"%tid.w", {kZero, 4}},
        {"%ctaid.w", {kZero, 4}},
        {"%laneid", {kLaneId, 4}},
        {"%warpid", {kWarpId, 4}},
        {"%nwarpid", {kNwarpId, 4}},
        {"%smid", {kSmid, 4}},
        {"%nsmid", {kNsmid, 4}},
        {"%gridid", {kGridId, 8}},
        {"%clock", {kClock, 4}},
        {"%clock_hi", {kClockHigh, 4}},
        {"%clock64", {kClock64, 8}},
        {"%globaltimer", {kTimer, 8}},
        {"%globaltimer_lo", {kTimerLow, 4}},
        {"%globaltimer_hi", {kTimerHigh, 4}},
        {"%lanemask_eq", {kMaskEq, 4}},
        {"%lanemask_le", {kMaskLe, 4}},
        {"%lanemask_lt", {kMaskLt, 4}},
        {"%lanemask_ge", {kMaskGe, 4}},
        {"%lanemask_gt", {kMaskGt, 4}},
        {"%dynamic_smem_size", {kDynamicShared, 4}},
        {"%total_smem_size", {kTotalShared, 4}},
        {"%aggr_smem_size", {kTotalShared, 4}},
        {"%reserved_smem_offset_begin", {kReservedShared, 4}},
        {"%reserved_smem_offset_end", {kReservedShared, 4}},
        {"%reserved_smem_offset_cap", {kReservedShared, 4}},
        {"%is_explicit_cluster", {kZero, 4}},
        {"%current_graph_exec", {kZero, 8}}};
    static std::string names[32];
    t.emplace("%envreg1", SpecialRegister{kWorkspaceHigh, 4});
    t.emplace("%envreg2", SpecialRegister{kWorkspaceLow, 4});
    for (int i = 0; i < 32; ++i)
      t.emplace(names[i] = "%envreg" + std::to_string(i), SpecialRegister{kZero, 4});
    return t;
  }();
  return registers;
}

uint64_t timer() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t uniform(Warp& w, int id) {
  const Block& b = *w.block;
  const LaunchConfig& c = *b.launch->config;
  switch (id) {
    case kNtidX:
    case kNtidY:
    case kNtidZ:
      return c.block[static_cast<size_t>(id - kNtidX)];
    case kCtaidX:
    case kCtaidY:
    case kCtaidZ:
      return b.id[id - kCtaidX];
    case kNctaidX:
    case kNctaidY:
    case kNctaidZ:
      return c.grid[static_cast<size_t>(id - kNctaidX)];
    case kOne:
      return 1;
    case kWarpId:
      return w.index;
    case kNwarpId:
      return 32;
    case kSmid:
      return b.worker % std::max(c.multiprocessors, 1u);
    case kNsmid:
      return c.multiprocessors;
    case kGridId:
      return c.grid_id;
    case kClock:
      return static_cast<uint32_t>(__rdtsc());
    case kClockHigh:
      return __rdtsc() >> 32;
    case kClock64:
      return __rdtsc();
    case kTimer:
      return timer();
    case kTimerLow:
      return static_cast<uint32_t>(timer());
    case kTimerHigh:
      return timer() >> 32;
    case kDynamicShared:
      return c.dynamic_shared_bytes;
    case kTotalShared:
      return b.launch->kernel->info.static_shared_bytes + c.dynamic_shared_bytes;
    case kWorkspaceHigh:
      return reinterpret_cast<uint64_t>(b.launch->workspace) >> 32;
    case kWorkspaceLow:
      return static_cast<uint32_t>(reinterpret_cast<uint64_t>(b.launch->workspace));
    default:
      return 0;
  }
}

uint32_t of_lane(Warp& w, int id, uint32_t lane) {
  const LaunchConfig& c = *w.block->launch->config;
  const uint32_t linear = w.index * kLanes + lane;
  const uint32_t bit = 1u << lane;
  switch (id) {
    case kTidX:
      return linear % c.block[0];
    case kTidY:
      return linear / c.block[0] % c.block[1];
    case kTidZ:
      return linear / c.block[0] / c.block[1];
    case kLaneId:
      return lane;
    case kMaskEq:
      return bit;
    case kMaskLe:
      return bit | (bit - 1);
    case kMaskLt:
      return bit - 1;
    case kMaskGe:
      return ~(bit - 1);
    default:
      return ~(bit | (bit - 1));  // kMaskGt
  }
}

bool differs_by_lane(int id) { return id <= kTidZ || id == kLaneId || (id >= kMaskEq && id <= kMaskGt); }

template <class T>
const Instr* read_special(Warp& w, const Instr* ip) {
  T* d = destination<T>(w, ip->o[0]);
  const int id = static_cast<int>(ip->aux);
  if (differs_by_lane(id)) {
    each_lane(w.active, [&](int i) { d[i] = of_lane(w, id, static_cast<uint32_t>(i)); });
  } else {
    if (id >= kClock && id <= kTimerHigh) w.charge(8);  // programs wait for a time to pass
    const T value = static_cast<T>(uniform(w, id));
    each_lane(w.active, [&](int i) { d[i] = value; });
  }
  return ip + 1;
}

// The address of a variable in this frame's local memory.
template <class T>
const Instr* local_address(Warp& w, const Instr* ip) {
  T* d = destination<T>(w, ip->o[0]);
  const T value = static_cast<T>(w.frame()->local_base + static_cast<uint64_t>(ip->imm));
  each_lane(w.active, [&](int i) { d[i] = value; });
  return ip + 1;
}

// alloca d, size, alignment: lanes of a group share one frame, so all get the largest size that one of them
// asks for.
template <class T>
const Instr* allocate(Warp& w, const Instr* ip) {
  T* d = destination<T>(w, ip->o[0]);
  const T* size = row<T>(w, ip->o[1]);
  const uint64_t alignment = std::max<uint64_t>(static_cast<uint64_t>(ip->imm), 8);
  uint64_t largest = 0;
  each_lane(w.active, [&](int i) { largest = std::max<uint64_t>(largest, size[i]); });
  Frame* f = w.frame();
  const uint64_t end = f->local_base + f->function->local_bytes + f->allocated;
  const uint64_t at = (end + alignment - 1) / alignment * alignment;
  if (largest > w.local_stride || at + largest > w.local_stride)
    return w.fault(Fault::illegal_address, ip, static_cast<uint32_t>(std::countr_zero(w.active)),
                   "the stack overflows");
  f->allocated += (at + largest - end + 15) & ~uint64_t{15};
  each_lane(w.active, [&](int i) { d[i] = static_cast<T>(at); });
  return ip + 1;
}

template <class T>
const Instr* save_stack(Warp& w, const Instr* ip) {
  T* d = destination<T>(w, ip->o[0]);
  const T value = static_cast<T>(w.frame()->allocated);
  each_lane(w.active, [&](int i) { d[i] = value; });
  return ip + 1;
}

// Only when no lane is left that may still use what is given back.
template <class T>
const Instr* restore_stack(Warp& w, const Instr* ip) {
  Frame* f = w.frame();
  if (f->lanes == w.active)
    f->allocated = std::min<uint64_t>(f->allocated, row<T>(w, ip->o[0])[std::countr_zero(w.active)]);
  return ip + 1;
}

}  // namespace

const SpecialRegister* special_by_name(std::string_view name) {
  const auto it = table().find(name);
  return it == table().end() ? nullptr : &it->second;
}

void register_special(Registry& r) {
  r.add("alloca.u32", "=ww?i", allocate<uint32_t>);
  r.add("alloca.u64", "=ll?i", allocate<uint64_t>);
  r.add("stacksave.u32", "=w", save_stack<uint32_t>);
  r.add("stacksave.u64", "=l", save_stack<uint64_t>);
  r.add("stackrestore.u32", "w", restore_stack<uint32_t>);
  r.add("stackrestore.u64", "l", restore_stack<uint64_t>);
  r.add("special.32", "", read_special<uint32_t>);
  r.add("special.64", "", read_special<uint64_t>);
  r.add("local.32", "", local_address<uint32_t>);
  r.add("local.64", "", local_address<uint64_t>);
}

}  // namespace softgpu
