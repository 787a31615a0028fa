// SPDX-License-Identifier: BSD-3-Clause
// mbarrier: barriers that are variables in shared memory, which one thread runs, so nothing here is atomic.
//
// The variable holds how many arrivals the phase still needs, how many each phase needs, and the number of
// the phase; the opaque state that an arrival returns is the variable as it was.
#include <algorithm>

#include "engine/access.h"
#include "engine/registry.h"

namespace softgpu {
namespace {

constexpr uint64_t kMostArrivals = (1 << 20) - 1;
constexpr int kSpin = 48;  // of a turn, for a look that found the phase not over

uint64_t pending(uint64_t word) { return word & kMostArrivals; }
uint64_t needed(uint64_t word) { return word >> 20 & kMostArrivals; }
uint64_t phase(uint64_t word) { return word >> 40; }
uint64_t packed(uint64_t pending, uint64_t needed, uint64_t phase) {
  return pending | needed << 20 | phase << 40;
}

uint64_t arrived(uint64_t word, uint64_t count) {
  const uint64_t left = pending(word) - std::min(pending(word), count);
  return left > 0 ? packed(left, needed(word), phase(word))
                  : packed(needed(word), needed(word), (phase(word) + 1) & 0xffffff);
}

uint64_t& word_at(const Access& x, int lane) { return *reinterpret_cast<uint64_t*>(x.lane[lane]); }

// Operands: 0 address, 1 count.
template <Addressing Kind>
const Instr* init(Warp& w, const Instr* ip) {
  Access x;
  if (!locate_general(w, ip, Kind, ip->o[0], 8, true, &x)) return nullptr;
  const auto* count = row<uint32_t>(w, ip->o[1]);
  each_lane(w.active, [&](int i) {
    const uint64_t arrivals = std::min<uint64_t>(count[i], kMostArrivals);
    word_at(x, i) = packed(arrivals, arrivals, 0);
  });
  return ip + 1;
}

// Operands: 0 state, 1 address, 2 count. aux: the arrivals are missing from the following phases too.
template <Addressing Kind>
const Instr* arrive(Warp& w, const Instr* ip) {
  Access x;
  if (!locate_general(w, ip, Kind, ip->o[1], 8, true, &x)) return nullptr;
  auto* state = destination<uint64_t>(w, ip->o[0]);
  const auto* count = row<uint32_t>(w, ip->o[2]);
  each_lane(w.active, [&](int i) {
    uint64_t& word = word_at(x, i);
    state[i] = word;
    if (ip->aux)
      word = packed(pending(word), needed(word) - std::min<uint64_t>(needed(word), count[i]), phase(word));
    word = arrived(word, count[i]);
  });
  return ip + 1;
}

// Operands: 0 whether the phase is over, 1 address, 2 the phase: a state, or (Parity) 0 or 1.
template <Addressing Kind, bool Parity>
const Instr* test(Warp& w, const Instr* ip) {
  Access x;
  if (!locate_general(w, ip, Kind, ip->o[1], 8, false, &x)) return nullptr;
  auto* over = destination<uint32_t>(w, ip->o[0]);
  bool waits = false;
  each_lane(w.active, [&](int i) {
    const uint64_t now = phase(word_at(x, i));
    const bool done = Parity ? (now & 1) != (row<uint32_t>(w, ip->o[2])[i] & 1)
                             : now != phase(row<uint64_t>(w, ip->o[2])[i]);
    over[i] = done ? ~0u : 0;
    waits = waits || !done;
  });
  if (waits) w.charge(kSpin);
  return ip + 1;
}

const Instr* pending_count(Warp& w, const Instr* ip) {
  auto* count = destination<uint32_t>(w, ip->o[0]);
  const auto* state = row<uint64_t>(w, ip->o[1]);
  each_lane(w.active, [&](int i) { count[i] = static_cast<uint32_t>(pending(state[i])); });
  return ip + 1;
}

template <Addressing Kind>
void register_kind(Registry& r, const std::string& kind) {
  r.add("mbarrier.init." + kind, "", init<Kind>);
  r.add("mbarrier.arrive." + kind, "", arrive<Kind>, 0);
  r.add("mbarrier.arrive_drop." + kind, "", arrive<Kind>, 1);
  r.add("mbarrier.test." + kind, "", test<Kind, false>);
  r.add("mbarrier.test.parity." + kind, "", test<Kind, true>);
}

}  // namespace

void register_mbarriers(Registry& r) {
  register_kind<Addressing::global>(r, "global");
  register_kind<Addressing::shared32>(r, "shared32");
  register_kind<Addressing::shared64>(r, "shared64");
  r.add("mbarrier.pending_count.b64", "=wl", pending_count);
}

}  // namespace softgpu
