// SPDX-License-Identifier: BSD-3-Clause
// atom and red. Blocks run on several threads, so device memory is changed with the processor's atomics;
// operations that it lacks are loops around compare-and-swap.
#include "engine/atomics.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "engine/access.h"
#include "engine/block.h"
#include "engine/numeric.h"
#include "engine/registry.h"

namespace softgpu {

bool is_atomic_operation(std::string_view name) {
  static const std::set<std::string_view> names = {"add", "and", "or",  "xor", "exch",
                                                   "cas", "inc", "dec", "min", "max"};
  return names.count(name) != 0;
}

namespace {

template <class T>
T as(const auto& bits) {
  return std::bit_cast<T>(bits);
}

// ---- what each operation makes of the old value and the operand; T is how the bits are seen ----
struct Add {
  template <class T>
  static T f(T a, T b) {
    return static_cast<T>(a + b);
  }
};
struct And {
  template <class T>
  static T f(T a, T b) {
    return a & b;
  }
};
struct Or {
  template <class T>
  static T f(T a, T b) {
    return a | b;
  }
};
struct Xor {
  template <class T>
  static T f(T a, T b) {
    return a ^ b;
  }
};
struct Exchange {
  template <class T>
  static T f(T, T b) {
    return b;
  }
};
struct Min {
  template <class T>
  static T f(T a, T b) {
    return b < a ? b : a;
  }
};
struct Max {
  template <class T>
  static T f(T a, T b) {
    return b > a ? b : a;
  }
};
struct Increment {
  template <class T>
  static T f(T a, T b) {
    return a >= b ? T{0} : static_cast<T>(a + 1);
  }
};
struct Decrement {
  template <class T>
  static T f(T a, T b) {
    return a == 0 || a > b ? b : static_cast<T>(a - 1);
  }
};

struct Half {
  uint16_t bits;
  static constexpr bool bfloat = false;
};
struct Bfloat {
  uint16_t bits;
  static constexpr bool bfloat = true;
};
template <class H>
double value(H h) {
  return H::bfloat ? bf16_value(h.bits) : f16_value(h.bits);
}
template <class H>
H rounded(double x) {
  return {H::bfloat ? bf16_from_double(x, 0) : f16_from_double(x, 0)};
}
template <class H>
struct Pair {
  H low, high;
};

template <class H>
H add_small(H a, H b) {
  return rounded<H>(fma_to_odd(value(a), 1.0, value(b)));
}
template <class H, bool Max>
H extreme_small(H a, H b) {
  const double x = value(a), y = value(b);
  if (std::isnan(x)) return b;
  if (std::isnan(y)) return a;
  return (Max ? y > x : y < x) ? b : a;
}
struct AddSmall {
  template <class H>
  static H f(H a, H b) {
    return add_small(a, b);
  }
};
struct MinSmall {
  template <class H>
  static H f(H a, H b) {
    return extreme_small<H, false>(a, b);
  }
};
struct MaxSmall {
  template <class H>
  static H f(H a, H b) {
    return extreme_small<H, true>(a, b);
  }
};
template <class Op>
struct Both {
  template <class P>
  static P f(P a, P b) {
    return {Op::f(a.low, b.low), Op::f(a.high, b.high)};
  }
};
struct AddFloat {
  static float f(float a, float b) {
    const float r = a + b;
    return std::isnan(r) ? std::bit_cast<float>(0x7fffffffu) : r;
  }
};

template <class T>
using Bits =
    std::conditional_t<sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;

template <class T, class Op>
Bits<T> change(uint8_t* p, Bits<T> operand) {
  std::atomic_ref<Bits<T>> cell(*reinterpret_cast<Bits<T>*>(p));
  if constexpr (std::is_same_v<Op, Add> && std::is_integral_v<T>) return cell.fetch_add(operand);
  if constexpr (std::is_same_v<Op, Exchange>) return cell.exchange(operand);
  Bits<T> old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, as<Bits<T>>(Op::f(as<T>(old), as<T>(operand))))) {
  }
  return old;
}

// Operands: 0 old value, 1 address, 2 operand, 3 second operand (cas).
template <Addressing Kind, class T, class Op>
const Instr* atomic(Warp& w, const Instr* ip) {
  Access x;
  if (!locate_general(w, ip, Kind, ip->o[1], sizeof(T), true, &x)) return nullptr;
  auto* d = destination<Bits<T>>(w, ip->o[0]);
  const auto* b = row<Bits<T>>(w, ip->o[2]);
  each_lane(w.active, [&](int i) {
    if constexpr (Kind == Addressing::global) {
      d[i] = change<T, Op>(x.lane[i], b[i]);
    } else {  // shared memory belongs to one thread
      Bits<T>& cell = *reinterpret_cast<Bits<T>*>(x.lane[i]);
      const Bits<T> old = cell;
      cell = as<Bits<T>>(Op::f(as<T>(old), as<T>(b[i])));
      d[i] = old;
    }
  });
  return ip + 1;
}

template <Addressing Kind, class B>
const Instr* compare_and_swap(Warp& w, const Instr* ip) {
  Access x;
  if (!locate_general(w, ip, Kind, ip->o[1], sizeof(B), true, &x)) return nullptr;
  auto* d = destination<B>(w, ip->o[0]);
  const auto* expected = row<B>(w, ip->o[2]);
  const auto* desired = row<B>(w, ip->o[3]);
  each_lane(w.active, [&](int i) {
    B old = expected[i];
    std::atomic_ref<B>(*reinterpret_cast<B*>(x.lane[i])).compare_exchange_strong(old, desired[i]);
    d[i] = old;
  });
  return ip + 1;
}

template <Addressing Kind>
void register_kind(Registry& r, const std::string& kind) {
  const std::string p = "atom." + kind + ".";
  const auto integer = [&]<class T>(T, const std::string& t) {
    r.add(p + "add." + t, "", atomic<Kind, T, Add>);
    r.add(p + "min." + t, "", atomic<Kind, T, Min>);
    r.add(p + "max." + t, "", atomic<Kind, T, Max>);
  };
  integer(uint32_t{}, "u32");
  integer(int32_t{}, "s32");
  integer(uint64_t{}, "u64");
  integer(int64_t{}, "s64");
  const auto logic = [&]<class T>(T, const std::string& t) {
    r.add(p + "and." + t, "", atomic<Kind, T, And>);
    r.add(p + "or." + t, "", atomic<Kind, T, Or>);
    r.add(p + "xor." + t, "", atomic<Kind, T, Xor>);
    r.add(p + "exch." + t, "", atomic<Kind, T, Exchange>);
    r.add(p + "cas." + t, "", compare_and_swap<Kind, T>);
  };
  logic(uint32_t{}, "b32");
  logic(uint64_t{}, "b64");
  for (const char* t : {"u32", "s32"}) {
    r.add(p + "exch." + t, "", atomic<Kind, uint32_t, Exchange>);
    r.add(p + "cas." + t, "", compare_and_swap<Kind, uint32_t>);
  }
  for (const char* t : {"u64", "s64"}) {
    r.add(p + "exch." + t, "", atomic<Kind, uint64_t, Exchange>);
    r.add(p + "cas." + t, "", compare_and_swap<Kind, uint64_t>);
  }
  r.add(p + "exch.f32", "", atomic<Kind, uint32_t, Exchange>);
  r.add(p + "exch.f64", "", atomic<Kind, uint64_t, Exchange>);
  r.add(p + "cas.b16", "", compare_and_swap<Kind, uint16_t>);
  r.add(p + "inc.u32", "", atomic<Kind, uint32_t, Increment>);
  r.add(p + "dec.u32", "", atomic<Kind, uint32_t, Decrement>);
  r.add(p + "add.f32", "", atomic<Kind, float, AddFloat>);
  r.add(p + "add.f64", "", atomic<Kind, double, Add>);
  const auto small = [&]<class H>(H, const std::string& t) {
    r.add(p + "add." + t, "", atomic<Kind, H, AddSmall>);
    r.add(p + "min." + t, "", atomic<Kind, H, MinSmall>);
    r.add(p + "max." + t, "", atomic<Kind, H, MaxSmall>);
    r.add(p + "add." + t + "x2", "", atomic<Kind, Pair<H>, Both<AddSmall>>);
    r.add(p + "min." + t + "x2", "", atomic<Kind, Pair<H>, Both<MinSmall>>);
    r.add(p + "max." + t + "x2", "", atomic<Kind, Pair<H>, Both<MaxSmall>>);
  };
  small(Half{}, "f16");
  small(Bfloat{}, "bf16");
}

// cp.async: operands 0 shared address, 1 global address, 2 size, 3 bytes that are there, 4 offset in shared.
const Instr* copy_async(Warp& w, const Instr* ip) {
  const auto* to = row<uint64_t>(w, ip->o[0]);
  const auto* from = row<uint64_t>(w, ip->o[1]);
  const auto* size = row<uint32_t>(w, ip->o[2]);
  const auto* valid = row<uint32_t>(w, ip->o[3]);
  const auto* offset = row<uint64_t>(w, ip->o[4]);
  for (uint32_t m = w.active; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    const uint64_t at = (to[i] + offset[i]) & (kWindowSize - 1);
    const uint64_t source = from[i] + static_cast<uint64_t>(ip->imm);
    const uint32_t bytes = size[i];
    const uint32_t there = std::min(valid[i], bytes);
    const auto lane = static_cast<uint32_t>(i);
    if (at + bytes > w.shared_size)
      return w.fault(Fault::illegal_address, ip, lane, "illegal shared address");
    if (bytes == 0 || (at | source) % bytes != 0)
      return w.fault(Fault::misaligned_address, ip, lane, "misaligned address");
    uint64_t begin = 0, end = 0;
    if (there > 0 && !w.block->launch->memory->find(source, there, &begin, &end))
      return w.fault(Fault::illegal_address, ip, lane, "illegal address");
    std::memcpy(w.shared + at, reinterpret_cast<const void*>(source), there);
    std::memset(w.shared + at + there, 0, bytes - there);
  }
  return ip + 1;
}

}  // namespace

void register_atomics(Registry& r) {
  register_kind<Addressing::global>(r, "global");
  register_kind<Addressing::shared32>(r, "shared32");
  register_kind<Addressing::shared64>(r, "shared64");
  r.add("cp.async", "", copy_async);
}

}  // namespace softgpu
