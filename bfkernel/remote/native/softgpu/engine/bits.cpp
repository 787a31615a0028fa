// SPDX-License-Identifier: BSD-3-Clause
// Bit fields, counting, permutation, dot products, packing, address windows: one lane at a time.
#include <bit>

#include "engine/block.h"
#include "engine/registry.h"
#include "engine/warp.h"

namespace softgpu {
namespace {

using U = uint32_t;
using L = uint64_t;

template <class D, class A, auto F>
const Instr* one(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  const A* a = row<A>(w, ip->o[1]);
  each_lane(w.active, [&](int i) { d[i] = static_cast<D>(F(a[i])); });
  return ip + 1;
}
template <class D, class A, class B, auto F>
const Instr* two(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  const A* a = row<A>(w, ip->o[1]);
  const B* b = row<B>(w, ip->o[2]);
  each_lane(w.active, [&](int i) { d[i] = static_cast<D>(F(a[i], b[i])); });
  return ip + 1;
}
template <class D, class A, class B, class C, auto F>
const Instr* three(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  const A* a = row<A>(w, ip->o[1]);
  const B* b = row<B>(w, ip->o[2]);
  const C* c = row<C>(w, ip->o[3]);
  each_lane(w.active, [&](int i) { d[i] = static_cast<D>(F(a[i], b[i], c[i])); });
  return ip + 1;
}

template <class T>
T reverse(T x) {
  T r = 0;
  for (unsigned i = 0; i < 8 * sizeof(T); ++i) r = static_cast<T>(r << 1 | (x >> i & 1));
  return r;
}

// Position of the highest bit that differs from the sign (or is set, for unsigned); ~0 if there is none.
template <class T>
U find_high(T x) {
  using W = std::make_unsigned_t<T>;
  auto u = static_cast<W>(x);
  if constexpr (std::is_signed_v<T>) u = x < 0 ? static_cast<W>(~u) : u;
  return u == 0 ? ~0u : static_cast<U>(std::bit_width(u)) - 1;
}
template <class T>
U find_high_distance(T x) {
  const U at = find_high(x);
  return at == ~0u ? at : static_cast<U>(8 * sizeof(T)) - 1 - at;
}

template <class T>
T extract(T a, U position, U length) {
  using W = std::make_unsigned_t<T>;
  constexpr U bits = 8 * sizeof(T);
  const U p = position & 0xff;
  const U n = length & 0xff;
  if (n == 0) return 0;
  const U top = p + n - 1 < bits - 1 ? p + n - 1 : bits - 1;
  const bool sign = std::is_signed_v<T> && (static_cast<W>(a) >> top & 1) != 0;
  const W field = p >= bits ? 0 : static_cast<W>(static_cast<W>(a) >> p);
  if (n >= bits || p + n > bits) {
    const U kept = p >= bits ? 0 : bits - p;
    if (kept >= bits) return static_cast<T>(field);
    return static_cast<T>(sign ? field | static_cast<W>(~W{0} << kept) : field);
  }
  const W mask = static_cast<W>((W{1} << n) - 1);
  return static_cast<T>(sign ? field | static_cast<W>(~mask) : field & mask);
}

// bfi d, a, b, c, d: the low bits of a go into b.
template <class T>
const Instr* insert(Warp& w, const Instr* ip) {
  T* d = destination<T>(w, ip->o[0]);
  const T* a = row<T>(w, ip->o[1]);
  const T* b = row<T>(w, ip->o[2]);
  const U* c = row<U>(w, ip->o[3]);
  const U* n = row<U>(w, ip->o[4]);
  constexpr U bits = 8 * sizeof(T);
  each_lane(w.active, [&](int i) {
    const U p = c[i] & 0xff;
    const U length = n[i] & 0xff;
    const T field = length >= bits ? ~T{0} : static_cast<T>((T{1} << length) - 1);
    const T mask = p >= bits ? T{0} : static_cast<T>(field << p);
    const T value = p >= bits ? T{0} : static_cast<T>(a[i] << p);
    d[i] = (b[i] & ~mask) | (value & mask);
  });
  return ip + 1;
}

// fns: the n-th set bit counted from `base` upwards (n > 0) or downwards (n < 0).
U find_nth(U mask, U base, int32_t n) {
  if (n == 0) return base < 32 && (mask >> base & 1) ? base : ~0u;
  const int step = n > 0 ? 1 : -1;
  int left = n > 0 ? n : -n;
  for (int at = static_cast<int>(base); at >= 0 && at < 32; at += step) {
    if ((mask >> at & 1) && --left == 0) return static_cast<U>(at);
  }
  return ~0u;
}

U permute(U a, U b, U selector) {
  const L bytes = static_cast<L>(b) << 32 | a;
  U d = 0;
  for (unsigned k = 0; k < 4; ++k) {
    const U s = selector >> (4 * k) & 15;
    U byte = static_cast<U>(bytes >> (8 * (s & 7))) & 0xff;
    if (s & 8) byte = byte & 0x80 ? 0xff : 0;
    d |= byte << (8 * k);
  }
  return d;
}
U selector_of(int mode, U c) {
  static constexpr U f4e[4] = {0x3210, 0x4321, 0x5432, 0x6543};
  static constexpr U b4e[4] = {0x5670, 0x6701, 0x7012, 0x0123};
  static constexpr U ecl[4] = {0x3210, 0x3211, 0x3222, 0x3333};
  static constexpr U ecr[4] = {0x0000, 0x1110, 0x2210, 0x3210};
  const U k = c & 3;
  switch (mode) {
    case 0:
      return f4e[k];
    case 1:
      return b4e[k];
    case 2:
      return 0x1111 * k;
    case 3:
      return ecl[k];
    case 4:
      return ecr[k];
    default:
      return 0x1010 + 0x2222 * (k & 1);
  }
}
template <int Mode>
U permute_mode(U a, U b, U c) {
  return permute(a, b, selector_of(Mode, c));
}

template <class T, int Bits>
int64_t element(U x, int k) {
  const U v = x >> (Bits * k) & ((1u << Bits) - 1);
  if constexpr (std::is_signed_v<T>)
    return static_cast<int32_t>(v << (32 - Bits)) >> (32 - Bits);
  else
    return v;
}
template <class A, class B>
U dot4(U a, U b, U c) {
  int64_t sum = 0;
  for (int k = 0; k < 4; ++k) sum += element<A, 8>(a, k) * element<B, 8>(b, k);
  return c + static_cast<U>(sum);
}
template <class A, class B, bool High>
U dot2(U a, U b, U c) {
  int64_t sum = 0;
  for (int k = 0; k < 2; ++k) sum += element<A, 16>(a, k) * element<B, 8>(b, k + (High ? 2 : 0));
  return c + static_cast<U>(sum);
}

template <bool Left, bool Wrap>
U funnel(U a, U b, U c) {
  const U n = Wrap ? c & 31 : (c > 32 ? 32 : c);
  const L both = static_cast<L>(b) << 32 | a;
  return static_cast<U>(Left ? (both << n) >> 32 : both >> n);
}

template <bool Wrap>
U bit_mask(U a, U b) {
  const U p = Wrap ? a & 31 : a;
  const U n = Wrap ? b & 31 : b;
  if (p >= 32) return 0;
  const U field = n >= 32 ? ~0u : (1u << n) - 1;
  return field << p;
}
template <bool Signed, bool Wrap>
U extend(U a, U b) {
  const U n = Wrap ? b & 31 : b;
  if (n >= 32) return a;
  if (n == 0) return 0;
  const U field = a & ((1u << n) - 1);
  return Signed && (field >> (n - 1) & 1) ? field | ~((1u << n) - 1) : field;
}

int32_t low24(int32_t x) { return static_cast<int32_t>(static_cast<U>(x) << 8) >> 8; }
U low24(U x) { return x & 0xffffff; }
template <class T>
int64_t product24(T a, T b) {
  return static_cast<int64_t>(low24(a)) * static_cast<int64_t>(low24(b));
}
template <class T>
U mul24_lo(T a, T b) {
  return static_cast<U>(product24(a, b));
}
template <class T>
U mul24_hi(T a, T b) {
  return static_cast<U>(product24(a, b) >> 16);
}

// Two 16-bit integers a register.
template <class T, auto F>
U halves(U a, U b) {
  const auto low = static_cast<uint16_t>(F(static_cast<T>(a), static_cast<T>(b)));
  const auto high = static_cast<uint16_t>(F(static_cast<T>(a >> 16), static_cast<T>(b >> 16)));
  return static_cast<U>(high) << 16 | low;
}

template <class D, class P, int N>
const Instr* pack(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  each_lane(w.active, [&](int i) {
    D v = 0;
    for (int k = 0; k < N; ++k)
      v |= static_cast<D>(row<P>(w, ip->o[1 + k])[i]) << (8 * sizeof(P) * static_cast<unsigned>(k));
    d[i] = v;
  });
  return ip + 1;
}
template <class S, class P, int N>
const Instr* unpack(Warp& w, const Instr* ip) {
  const S* s = row<S>(w, ip->o[N]);
  each_lane(w.active, [&](int i) {
    const S v = s[i];
    for (int k = 0; k < N; ++k)
      destination<P>(w, ip->o[k])[i] = static_cast<P>(v >> (8 * sizeof(P) * static_cast<unsigned>(k)));
  });
  return ip + 1;
}

// cvta adds the window of its space to the address, cvta.to takes it away. Null stays null in neither
// direction, as on hardware: the first byte of shared memory is a valid generic address.
const Instr* to_generic(Warp& w, const Instr* ip) {
  L* d = destination<L>(w, ip->o[0]);
  const L* a = row<L>(w, ip->o[1]);
  const L window = static_cast<L>(ip->imm);
  each_lane(w.active, [&](int i) { d[i] = a[i] >= window ? a[i] : a[i] + window; });
  return ip + 1;
}
const Instr* from_generic(Warp& w, const Instr* ip) {
  L* d = destination<L>(w, ip->o[0]);
  const L* a = row<L>(w, ip->o[1]);
  const L window = static_cast<L>(ip->imm);
  each_lane(w.active, [&](int i) { d[i] = a[i] - window; });
  return ip + 1;
}

bool is_constant(const Instance& instance, L address) {
  const auto& globals = instance.program().globals;
  for (size_t i = 0; i < globals.size(); ++i) {
    const L begin = instance.addresses()[i];
    if (globals[i].info.constant && address >= begin && address < begin + globals[i].info.size) return true;
  }
  return false;
}

const Instr* is_in_space(Warp& w, const Instr* ip) {
  U* d = destination<U>(w, ip->o[0]);
  const L* a = row<L>(w, ip->o[1]);
  each_lane(w.active, [&](int i) {
    const auto inside = [&](L window) { return a[i] >= window && a[i] < window + kWindowSize; };
    const bool window = inside(kSharedWindow) || inside(kLocalWindow) || inside(kParamWindow);
    const bool constant = !window && is_constant(*w.block->launch->instance, a[i]);
    const bool answers[5] = {!window && !constant, inside(kSharedWindow), inside(kLocalWindow), constant,
                             inside(kParamWindow)};
    d[i] = answers[ip->aux] ? ~0u : 0;
  });
  return ip + 1;
}

template <class T>
void register_counting(Registry& r, const std::string& b, const std::string& l) {
  r.add("popc." + b, "=w" + l, one<U, T, [](T x) { return std::popcount(x); }>);
  r.add("clz." + b, "=w" + l, one<U, T, [](T x) { return std::countl_zero(x); }>);
  r.add("brev." + b, "=" + l + l, one<T, T, reverse<T>>);
  r.add("bfi." + b, "=" + l + l + l + "ww", insert<T>);
}
template <class T>
void register_fields(Registry& r, const std::string& t, const std::string& l) {
  r.add("bfe." + t, "=" + l + l + "ww", three<T, T, U, U, extract<T>>);
  r.add("bfind." + t, "=w" + l, one<U, T, find_high<T>>);
  r.add("bfind.shiftamt." + t, "=w" + l, one<U, T, find_high_distance<T>>);
}
template <class A, class B>
void register_dots(Registry& r, const std::string& types) {
  r.add("dp4a." + types, "=wwww", three<U, U, U, U, dot4<A, B>>);
  r.add("dp2a.lo." + types, "=wwww", three<U, U, U, U, dot2<A, B, false>>);
  r.add("dp2a.hi." + types, "=wwww", three<U, U, U, U, dot2<A, B, true>>);
}
template <class T>
void register_24(Registry& r, const std::string& t) {
  r.add("mul24.lo." + t, "=www", two<U, T, T, mul24_lo<T>>);
  r.add("mul24.hi." + t, "=www", two<U, T, T, mul24_hi<T>>);
  r.add("mad24.lo." + t, "=wwww", three<U, T, T, U, [](T a, T b, U c) { return mul24_lo<T>(a, b) + c; }>);
  r.add("mad24.hi." + t, "=wwww", three<U, T, T, U, [](T a, T b, U c) { return mul24_hi<T>(a, b) + c; }>);
}
template <class T>
void register_halves(Registry& r, const std::string& t) {
  r.add("add." + t, "=www", two<U, U, U, halves<T, [](T a, T b) { return a + b; }>>);
  r.add("min." + t, "=www", two<U, U, U, halves<T, [](T a, T b) { return a < b ? a : b; }>>);
  r.add("max." + t, "=www", two<U, U, U, halves<T, [](T a, T b) { return a < b ? b : a; }>>);
}

}  // namespace

void register_bits(Registry& r) {
  register_counting<U>(r, "b32", "w");
  register_counting<L>(r, "b64", "l");
  register_fields<uint32_t>(r, "u32", "w");
  register_fields<int32_t>(r, "s32", "w");
  register_fields<uint64_t>(r, "u64", "l");
  register_fields<int64_t>(r, "s64", "l");
  register_dots<U, U>(r, "u32.u32");
  register_dots<U, int32_t>(r, "u32.s32");
  register_dots<int32_t, U>(r, "s32.u32");
  register_dots<int32_t, int32_t>(r, "s32.s32");
  register_24<U>(r, "u32");
  register_24<int32_t>(r, "s32");
  register_halves<uint16_t>(r, "u16x2");
  register_halves<int16_t>(r, "s16x2");
  r.add("mad24.hi.sat.s32", "=wwww",
        three<int32_t, int32_t, int32_t, int32_t, [](int32_t a, int32_t b, int32_t c) {
          const int64_t x = static_cast<int32_t>(mul24_hi<int32_t>(a, b)) + int64_t{c};
          return x < INT32_MIN ? INT32_MIN : x < INT32_MAX ? x : INT32_MAX;
        }>);
  r.add("fns.b32", "=wwww", three<U, U, U, int32_t, find_nth>);
  r.add("prmt.b32", "=wwww", three<U, U, U, U, permute>);
  r.add("prmt.b32.f4e", "=wwww", three<U, U, U, U, permute_mode<0>>);
  r.add("prmt.b32.b4e", "=wwww", three<U, U, U, U, permute_mode<1>>);
  r.add("prmt.b32.rc8", "=wwww", three<U, U, U, U, permute_mode<2>>);
  r.add("prmt.b32.ecl", "=wwww", three<U, U, U, U, permute_mode<3>>);
  r.add("prmt.b32.ecr", "=wwww", three<U, U, U, U, permute_mode<4>>);
  r.add("prmt.b32.rc16", "=wwww", three<U, U, U, U, permute_mode<5>>);
  r.add("shf.l.wrap.b32", "=wwww", three<U, U, U, U, funnel<true, true>>);
  r.add("shf.r.wrap.b32", "=wwww", three<U, U, U, U, funnel<false, true>>);
  r.add("shf.l.clamp.b32", "=wwww", three<U, U, U, U, funnel<true, false>>);
  r.add("shf.r.clamp.b32", "=wwww", three<U, U, U, U, funnel<false, false>>);
  r.add("bmsk.clamp.b32", "=www", two<U, U, U, bit_mask<false>>);
  r.add("bmsk.wrap.b32", "=www", two<U, U, U, bit_mask<true>>);
  r.add("szext.clamp.u32", "=www", two<U, U, U, extend<false, false>>);
  r.add("szext.clamp.s32", "=www", two<U, U, U, extend<true, false>>);
  r.add("szext.wrap.u32", "=www", two<U, U, U, extend<false, true>>);
  r.add("szext.wrap.s32", "=www", two<U, U, U, extend<true, true>>);
  r.add("pack.32.16", "", pack<U, uint16_t, 2>);
  r.add("pack.64.32", "", pack<L, U, 2>);
  r.add("pack.64.16", "", pack<L, uint16_t, 4>);
  r.add("pack.128.64", "", pack<unsigned __int128, L, 2>);
  r.add("pack.128.32", "", pack<unsigned __int128, U, 4>);
  r.add("unpack.32.16", "", unpack<U, uint16_t, 2>);
  r.add("unpack.64.32", "", unpack<L, U, 2>);
  r.add("unpack.64.16", "", unpack<L, uint16_t, 4>);
  r.add("unpack.128.64", "", unpack<unsigned __int128, L, 2>);
  r.add("unpack.128.32", "", unpack<unsigned __int128, U, 4>);
  r.add("cvta", "", to_generic);
  r.add("cvta.to", "", from_generic);
  r.add("isspacep", "", is_in_space);
}

}  // namespace softgpu
