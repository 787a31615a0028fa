// SPDX-License-Identifier: BSD-3-Clause
// Arithmetic on f16 and bf16, one or two a register. Computed in double and rounded once, so every result is
// the correctly rounded one.
#include <cmath>
#include <string>

#include "engine/numeric.h"
#include "engine/registry.h"
#include "engine/warp.h"

namespace softgpu {
namespace {

struct F16 {
  static double value(uint16_t x) { return f16_value(x); }
  static uint16_t round(double x) { return f16_from_double(x, kRoundNearest); }
  static constexpr uint16_t tiny = 0x0400;  // smallest normal number
};
struct Bf16 {
  static double value(uint16_t x) { return bf16_value(x); }
  static uint16_t round(double x) { return bf16_from_double(x, kRoundNearest); }
  static constexpr uint16_t tiny = 0x0080;
};

template <class H>
uint16_t flushed(uint16_t x) {
  return (x & 0x7fff) < H::tiny ? x & 0x8000 : x;
}

double saturated(double x) { return x > 0 ? (x < 1 ? x : 1) : 0; }

// ---- operations on values; the result is rounded by the caller ----
struct Add {
  static double f(double a, double b, double) { return fma_to_odd(a, 1, b); }
};
struct Sub {
  static double f(double a, double b, double) { return fma_to_odd(a, 1, -b); }
};
struct Mul {
  static double f(double a, double b, double) { return a * b; }
};
struct Fma {
  static double f(double a, double b, double c) { return fma_to_odd(a, b, c); }
};
struct Exp2 {
  static double f(double a, double, double) { return std::exp2(a); }
};
struct Tanh {
  static double f(double a, double, double) { return std::tanh(a); }
};
struct Neg {
  static double f(double a, double, double) { return -a; }
};
struct Abs {
  static double f(double a, double, double) { return std::fabs(a); }
};

template <class H, class Op>
uint16_t arithmetic(uint16_t a, uint16_t b, uint16_t c, uint32_t flags) {
  if (flags & kFtz) a = flushed<H>(a), b = flushed<H>(b), c = flushed<H>(c);
  double x = Op::f(H::value(a), H::value(b), H::value(c));
  if (flags & kSaturate) x = saturated(x);
  if ((flags & kRelu) && x < 0) x = 0;
  const uint16_t r = H::round(x);
  return flags & kFtz ? flushed<H>(r) : r;
}

// Signs are changed as bits, so that NaNs keep theirs.
template <class H, bool Negate>
uint16_t sign(uint16_t a, uint16_t, uint16_t, uint32_t flags) {
  if (flags & kFtz) a = flushed<H>(a);
  return Negate ? a ^ 0x8000 : a & 0x7fff;
}

template <class H, bool Max>
uint16_t extreme(uint16_t a, uint16_t b, uint16_t, uint32_t flags) {
  if (flags & kFtz) a = flushed<H>(a), b = flushed<H>(b);
  uint16_t negative = 0;
  if (flags & kXorsign) {
    negative = (a ^ b) & 0x8000;
    a &= 0x7fff;
    b &= 0x7fff;
  }
  const double x = H::value(a), y = H::value(b);
  uint16_t r;
  if (std::isnan(x) || std::isnan(y)) {
    if ((flags & kNan) || (std::isnan(x) && std::isnan(y))) return 0x7fff;
    r = std::isnan(x) ? b : a;
  } else if (x == y) {
    r = (Max == ((a & 0x8000) != 0)) ? b : a;
  } else {
    r = (Max ? x > y : x < y) ? a : b;
  }
  return r | negative;
}

using Function = uint16_t (*)(uint16_t, uint16_t, uint16_t, uint32_t);

template <Function F, int Arity>
const Instr* single(Warp& w, const Instr* ip) {
  auto* d = destination<uint16_t>(w, ip->o[0]);
  const auto* a = row<uint16_t>(w, ip->o[1]);
  const auto* b = row<uint16_t>(w, ip->o[Arity > 1 ? 2 : 1]);
  const auto* c = row<uint16_t>(w, ip->o[Arity > 2 ? 3 : 1]);
  each_lane(w.active, [&](int i) { d[i] = F(a[i], b[i], c[i], ip->aux); });
  return ip + 1;
}
template <Function F, int Arity>
const Instr* packed(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const auto* a = row<uint32_t>(w, ip->o[1]);
  const auto* b = row<uint32_t>(w, ip->o[Arity > 1 ? 2 : 1]);
  const auto* c = row<uint32_t>(w, ip->o[Arity > 2 ? 3 : 1]);
  each_lane(w.active, [&](int i) {
    const auto half = [&](int shift) {
      return F(static_cast<uint16_t>(a[i] >> shift), static_cast<uint16_t>(b[i] >> shift),
               static_cast<uint16_t>(c[i] >> shift), ip->aux);
    };
    d[i] = static_cast<uint32_t>(half(16)) << 16 | half(0);
  });
  return ip + 1;
}

template <Function F, int Arity>
void add(Registry& r, const std::string& op, const std::string& t, char letter) {
  r.add(op + "." + t, "=" + std::string(1 + Arity, letter), single<F, Arity>);
  r.add(op + "." + t + "x2", "=" + std::string(1 + Arity, 'w'), packed<F, Arity>);
}

// ---- comparisons ----
template <class H, auto F>
const Instr* compare(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const auto* a = row<uint16_t>(w, ip->o[1]);
  const auto* b = row<uint16_t>(w, ip->o[2]);
  const bool ftz = (ip->aux & kFtz) != 0;
  each_lane(w.active, [&](int i) {
    d[i] = F(H::value(ftz ? flushed<H>(a[i]) : a[i]), H::value(ftz ? flushed<H>(b[i]) : b[i])) ? ~0u : 0u;
  });
  return ip + 1;
}

template <class H, auto F>
uint32_t compare_halves(uint32_t a, uint32_t b, bool ftz) {
  uint32_t yes = 0;
  for (int k = 0; k < 2; ++k) {
    auto x = static_cast<uint16_t>(a >> (16 * k));
    auto y = static_cast<uint16_t>(b >> (16 * k));
    if (ftz) x = flushed<H>(x), y = flushed<H>(y);
    yes |= static_cast<uint32_t>(F(H::value(x), H::value(y))) << k;
  }
  return yes;
}
// Operands: 0 and 1 predicates of the low and the high half, 2 and 3 what to compare.
template <class H, auto F>
const Instr* compare_packed(Warp& w, const Instr* ip) {
  auto* p = destination<uint32_t>(w, ip->o[0]);
  auto* q = destination<uint32_t>(w, ip->o[1]);
  const auto* a = row<uint32_t>(w, ip->o[2]);
  const auto* b = row<uint32_t>(w, ip->o[3]);
  each_lane(w.active, [&](int i) {
    const uint32_t yes = compare_halves<H, F>(a[i], b[i], (ip->aux & kFtz) != 0);
    p[i] = 0u - (yes & 1);
    q[i] = 0u - (yes >> 1);
  });
  return ip + 1;
}
// set.CMP.T.f16x2: True is what stands for true in each half.
template <class H, auto F, uint32_t True>
const Instr* set_packed(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const auto* a = row<uint32_t>(w, ip->o[1]);
  const auto* b = row<uint32_t>(w, ip->o[2]);
  each_lane(w.active, [&](int i) {
    const uint32_t yes = compare_halves<H, F>(a[i], b[i], (ip->aux & kFtz) != 0);
    d[i] = (yes & 1 ? True : 0) | (yes & 2 ? True << 16 : 0);
  });
  return ip + 1;
}

template <class H, auto F, uint32_t One>
void add_comparison(Registry& r, const std::string& c, const std::string& t, char letter) {
  r.add("setp." + c + "." + t, std::string("=p") + letter + letter, compare<H, F>);
  r.add("setp." + c + "." + t + "x2", "", compare_packed<H, F>);
  r.add("set." + c + "." + t + "x2." + t + "x2", "=www", set_packed<H, F, One>);
  for (const char* d : {"u32", "s32", "b32"})
    r.add("set." + c + "." + d + "." + t + "x2", "=www", set_packed<H, F, 0xffff>);
}

template <class H, uint32_t One>
void register_format(Registry& r, const std::string& t, char letter) {
  add<arithmetic<H, Add>, 2>(r, "add", t, letter);
  add<arithmetic<H, Sub>, 2>(r, "sub", t, letter);
  add<arithmetic<H, Mul>, 2>(r, "mul", t, letter);
  add<arithmetic<H, Fma>, 3>(r, "fma", t, letter);
  add<arithmetic<H, Exp2>, 1>(r, "ex2", t, letter);
  add<arithmetic<H, Tanh>, 1>(r, "tanh", t, letter);
  add<sign<H, true>, 1>(r, "neg", t, letter);
  add<sign<H, false>, 1>(r, "abs", t, letter);
  add<extreme<H, false>, 2>(r, "min", t, letter);
  add<extreme<H, true>, 2>(r, "max", t, letter);
  const auto comparison = [&]<auto F>(const std::string& c) { add_comparison<H, F, One>(r, c, t, letter); };
  comparison.template operator()<[](double a, double b) { return a == b; }>("eq");
  comparison.template operator()<[](double a, double b) { return (a < b) || (b < a); }>("ne");
  comparison.template operator()<[](double a, double b) { return a < b; }>("lt");
  comparison.template operator()<[](double a, double b) { return a <= b; }>("le");
  comparison.template operator()<[](double a, double b) { return b < a; }>("gt");
  comparison.template operator()<[](double a, double b) { return b <= a; }>("ge");
  comparison.template operator()<[](double a, double b) { return !((a < b) || (b < a)); }>("equ");
  comparison.template operator()<[](double a, double b) { return a != b; }>("neu");
  comparison.template operator()<[](double a, double b) { return !(b <= a); }>("ltu");
  comparison.template operator()<[](double a, double b) { return !(b < a); }>("leu");
  comparison.template operator()<[](double a, double b) { return !(a <= b); }>("gtu");
  comparison.template operator()<[](double a, double b) { return !(a < b); }>("geu");
  comparison.template operator()<[](double a, double b) { return a == a && b == b; }>("num");
  comparison.template operator()<[](double a, double b) { return a != a || b != b; }>("nan");
}

}  // namespace

void register_half(Registry& r) {
  register_format<F16, 0x3c00>(r, "f16", 'x');
  register_format<Bf16, 0x3f80>(r, "bf16", 'b');
}

}  // namespace softgpu
