// SPDX-License-Identifier: BSD-3-Clause
// Flow control that is not vectorised: calls, returns, exits, indexed branches, traps.
#include "engine/block.h"
#include "engine/builtins.h"
#include "engine/registry.h"

namespace softgpu {
namespace {

const Instr* ret(Warp& w, const Instr*) { return w.ret(); }
const Instr* exit_lanes(Warp& w, const Instr*) { return w.exit_lanes(); }
const Instr* nothing(Warp&, const Instr* ip) { return ip + 1; }

const Instr* trap(Warp& w, const Instr* ip) {
  return w.fault(Fault::trap, ip, static_cast<uint32_t>(std::countr_zero(w.active)), "trap");
}

const Instr* nanosleep(Warp& w, const Instr* ip) { return w.sleep(ip + 1); }

// imm: index of the CallSite.
const Instr* call(Warp& w, const Instr* ip) {
  const Function* self = w.frame()->function;
  const CallSite& site = self->calls[static_cast<size_t>(ip->imm)];
  if (site.builtin != 0) return call_builtin(w, ip, site);
  return w.call(site.target, &site, ip + 1);
}

// Lanes may hold different targets: those of the first lane go, the others stay at the call for their turn.
const Instr* call_indirect(Warp& w, const Instr* ip) {
  const uint64_t* address = row<uint64_t>(w, ip->o[0]);
  const int first = std::countr_zero(w.active);
  const uint64_t target = address[first];
  uint32_t same = 0;
  each_lane(w.active, [&](int i) { same |= static_cast<uint32_t>(address[i] == target) << i; });
  const uint64_t index = (target - kFunctionWindow) / 16 - 1;
  const auto& functions = w.block->launch->instance->program().functions;
  if (target < kFunctionWindow + 16 || target % 16 != 0 || index >= functions.size() ||
      functions[index]->entry) {
    return w.fault(Fault::invalid_pc, ip, static_cast<uint32_t>(first),
                   "call of an address that is no function");
  }
  if (same != w.active) w.leave_behind(w.active & ~same, ip);
  const CallSite& site = w.frame()->function->calls[static_cast<size_t>(ip->imm)];
  return w.call(functions[index].get(), &site, ip + 1);
}

// imm: index of the table of distances.
const Instr* branch_indexed(Warp& w, const Instr* ip) {
  const auto& table = w.frame()->function->branch_tables[static_cast<size_t>(ip->imm)];
  const uint32_t* index = row<uint32_t>(w, ip->o[0]);
  const int first = std::countr_zero(w.active);
  const uint32_t target = index[first];
  if (target >= table.size())
    return w.fault(Fault::invalid_pc, ip, static_cast<uint32_t>(first), "branch index out of range");
  uint32_t same = 0;
  each_lane(w.active, [&](int i) { same |= static_cast<uint32_t>(index[i] == target) << i; });
  if (same != w.active) w.leave_behind(w.active & ~same, ip);
  return w.jump(ip + table[target], table[target] <= 0);
}

// Lets other warps run: volatile loads and compare-and-swap in a loop usually wait for somebody.
const Instr* spin_hint(Warp& w, const Instr* ip) {
  w.charge(static_cast<int>(ip->aux));
  return ip + 1;
}

const Instr* fence(Warp&, const Instr* ip) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return ip + 1;
}

}  // namespace

void register_control(Registry& r) {
  r.add("ret", "", ret);
  r.add("exit", "", exit_lanes);
  r.add("trap", "", trap);
  r.add("brkpt", "", trap);
  r.add("nop", "", nothing);
  r.add("nanosleep.u32", "w", nanosleep);
  r.add("call", "", call);
  r.add("call.indirect", "", call_indirect);
  r.add("brx.idx", "", branch_indexed);
  r.add("spin", "", spin_hint, 48);
  r.add("fence", "", fence);
}

}  // namespace softgpu
