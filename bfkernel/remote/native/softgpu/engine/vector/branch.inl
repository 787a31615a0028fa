// SPDX-License-Identifier: BSD-3-Clause
// Predicated execution: guarded instructions, and branches that split a warp.

SOFTGPU_INLINE uint32_t guard_mask(Warp& w, const Instr* ip) {
  const uint32_t p = bits_of(row<uint32_t>(w, ip->guard));
  return w.active & (ip->guard & kNegated ? ~p : p);
}

// Any instruction that does not change the flow, under @p.
const Instr* guarded(Warp& w, const Instr* ip) {
  const uint32_t mask = guard_mask(w, ip);
  if (mask == w.active) return ip->inner(w, ip);
  if (mask == 0) return ip + 1;
  alignas(64) uint32_t saved[kLanes];
  const uint32_t active = w.active;
  SOFTGPU_LANES saved[i] = w.lanes[i];
  SOFTGPU_LANES w.lanes[i] = 0u - (mask >> i & 1u);
  w.active = mask;
  w.full = false;
  const Instr* next = ip->inner(w, ip);
  w.active = active;
  w.full = active == ~0u;
  SOFTGPU_LANES w.lanes[i] = saved[i];
  return next;
}

const Instr* branch(Warp& w, const Instr* ip) { return w.jump(ip + ip->imm, ip->imm <= 0); }

const Instr* branch_if(Warp& w, const Instr* ip) {
  const uint32_t taken = guard_mask(w, ip);
  if (taken == w.active) return w.jump(ip + ip->imm, ip->imm <= 0);
  if (taken == 0) return ip + 1;
  return w.split(taken, ip + ip->imm, ip + 1);
}

void register_branch(Registry& r) {
  r.add("guarded", "", guarded);
  r.add("bra", "", branch);
  r.add("bra.if", "", branch_if);
}
