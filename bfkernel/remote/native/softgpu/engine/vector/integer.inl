// SPDX-License-Identifier: BSD-3-Clause
// Integer arithmetic, logic and shifts.

template <class T> using Wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
                        std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                        std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;
template <class T> using Unsigned = std::make_unsigned_t<T>;

template <class T> SOFTGPU_INLINE T int_mul_lo(T a, T b) {
  using U = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;  // unsigned, and never promoted to int
  return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
}
template <class T> SOFTGPU_INLINE T int_mul_hi(T a, T b) {
  return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> (8 * sizeof(T)));
}
template <class T> SOFTGPU_INLINE T int_div(T a, T b) {
  if (b == 0) return static_cast<T>(-1);
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return static_cast<T>(0 - static_cast<Unsigned<T>>(a));
  }
  return static_cast<T>(a / b);
}
template <class T> SOFTGPU_INLINE T int_rem(T a, T b) {
  if (b == 0) return a;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return 0;
  }
  return static_cast<T>(a % b);
}
template <class T> SOFTGPU_INLINE T shift_left(T a, uint32_t n) {
  constexpr uint32_t bits = 8 * sizeof(T);
  return n >= bits ? T{0} : static_cast<T>(a << (n & (bits - 1)));
}
template <class T> SOFTGPU_INLINE T shift_right(T a, uint32_t n) {
  constexpr uint32_t bits = 8 * sizeof(T);
  if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> (n >= bits ? bits - 1 : n));
  else return n >= bits ? T{0} : static_cast<T>(a >> (n & (bits - 1)));
}
SOFTGPU_INLINE int32_t saturate32(int64_t x) {
  return static_cast<int32_t>(x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x);
}

// ---- carry chains: operands d, [carry out], a, b, [c], [carry in] ----
// A subtraction's flag is the carry of a + ~b + 1, so it is 1 where nothing was borrowed: compilers read it with addc.
template <class T, bool Subtract, bool In, bool Out>
const Instr* carry_add(Warp& w, const Instr* ip) {
  const int first = Out ? 2 : 1;
  T* d = destination<T>(w, ip->o[0]);
  uint32_t* out = Out ? destination<uint32_t>(w, ip->o[1]) : nullptr;
  const T* a = row<T>(w, ip->o[first]);
  const T* b = row<T>(w, ip->o[first + 1]);
  const uint32_t* in = In ? row<uint32_t>(w, ip->o[first + 2]) : nullptr;
  each_lane(w.active, [&](int i) {
    using W = Unsigned<Wide<T>>;
    const T second = Subtract ? static_cast<T>(~b[i]) : b[i];
    const W carry = In ? in[i] & 1 : Subtract;
    const W x = W{a[i]} + W{second} + carry;
    d[i] = static_cast<T>(x);
    if constexpr (Out) out[i] = static_cast<uint32_t>(x >> (8 * sizeof(T))) & 1;
  });
  return ip + 1;
}

template <class T, bool High, bool In, bool Out>
const Instr* carry_mad(Warp& w, const Instr* ip) {
  const int first = Out ? 2 : 1;
  using U = Unsigned<T>;
  U* d = destination<U>(w, ip->o[0]);
  uint32_t* out = Out ? destination<uint32_t>(w, ip->o[1]) : nullptr;
  const T* a = row<T>(w, ip->o[first]);
  const T* b = row<T>(w, ip->o[first + 1]);
  const U* c = row<U>(w, ip->o[first + 2]);
  const uint32_t* in = In ? row<uint32_t>(w, ip->o[first + 3]) : nullptr;
  each_lane(w.active, [&](int i) {
    using W = Unsigned<Wide<T>>;
    const U product = static_cast<U>(High ? int_mul_hi<T>(a[i], b[i]) : int_mul_lo<T>(a[i], b[i]));
    const W x = W{product} + W{c[i]} + (In ? in[i] & 1 : 0);
    d[i] = static_cast<U>(x);
    if constexpr (Out) out[i] = static_cast<uint32_t>(x >> (8 * sizeof(T))) & 1;
  });
  return ip + 1;
}

template <class T> void register_carry(Registry& r, const std::string& type) {
  const std::string l(1, letter<T>());
  using U = Unsigned<T>;
  r.add("add.cc." + type, "=" + l + "=c" + l + l, carry_add<U, false, false, true>);
  r.add("addc." + type, "=" + l + l + l + "c", carry_add<U, false, true, false>);
  r.add("addc.cc." + type, "=" + l + "=c" + l + l + "c", carry_add<U, false, true, true>);
  r.add("sub.cc." + type, "=" + l + "=c" + l + l, carry_add<U, true, false, true>);
  r.add("subc." + type, "=" + l + l + l + "c", carry_add<U, true, true, false>);
  r.add("subc.cc." + type, "=" + l + "=c" + l + l + "c", carry_add<U, true, true, true>);
  r.add("mad.lo.cc." + type, "=" + l + "=c" + l + l + l, carry_mad<T, false, false, true>);
  r.add("mad.hi.cc." + type, "=" + l + "=c" + l + l + l, carry_mad<T, true, false, true>);
  r.add("madc.lo." + type, "=" + l + l + l + l + "c", carry_mad<T, false, true, false>);
  r.add("madc.hi." + type, "=" + l + l + l + l + "c", carry_mad<T, true, true, false>);
  r.add("madc.lo.cc." + type, "=" + l + "=c" + l + l + l + "c", carry_mad<T, false, true, true>);
  r.add("madc.hi.cc." + type, "=" + l + "=c" + l + l + l + "c", carry_mad<T, true, true, true>);
}

template <class T> void register_arithmetic(Registry& r, const std::string& t) {
  using U = Unsigned<T>;
  r.add("add." + t, signature<T, T, T>(), binary<U, U, U, [](U a, U b) { return a + b; }>);
  r.add("sub." + t, signature<T, T, T>(), binary<U, U, U, [](U a, U b) { return a - b; }>);
  r.add("mul.lo." + t, signature<T, T, T>(), binary<T, T, T, int_mul_lo<T>>);
  r.add("mul.hi." + t, signature<T, T, T>(), binary<T, T, T, int_mul_hi<T>>);
  r.add("mad.lo." + t, signature<T, T, T, T>(),
        ternary<U, U, U, U, [](U a, U b, U c) { return static_cast<U>(int_mul_lo<U>(a, b) + c); }>);
  r.add("mad.hi." + t, signature<T, T, T, T>(),
        ternary<U, T, T, U, [](T a, T b, U c) { return static_cast<U>(static_cast<U>(int_mul_hi<T>(a, b)) + c); }>);
  r.add("div." + t, signature<T, T, T>(), binary<T, T, T, int_div<T>>);
  r.add("rem." + t, signature<T, T, T>(), binary<T, T, T, int_rem<T>>);
  r.add("min." + t, signature<T, T, T>(), binary<T, T, T, [](T a, T b) { return a < b ? a : b; }>);
  r.add("max." + t, signature<T, T, T>(), binary<T, T, T, [](T a, T b) { return (a > b) ? a : b; }>);
  r.add("sad." + t, signature<T, T, T, T>(), ternary<U, T, T, U, [](T a, T b, U c) {
          return static_cast<U>(c + (a < b ? static_cast<U>(b) - static_cast<U>(a) : static_cast<U>(a) - static_cast<U>(b)));
        }>);
  r.add("shr." + t, signature<T, T, uint32_t>(), binary<T, T, uint32_t, shift_right<T>>);
  if constexpr (sizeof(T) < 8) {
    using W = Wide<T>;
    using UW = Unsigned<W>;
    r.add("mul.wide." + t, signature<W, T, T>(), binary<W, T, T, [](T a, T b) { return static_cast<W>(a) * static_cast<W>(b); }>);
    r.add("mad.wide." + t, signature<W, T, T, W>(), ternary<UW, T, T, UW, [](T a, T b, UW c) {
            return static_cast<UW>(static_cast<UW>(static_cast<W>(a) * static_cast<W>(b)) + c);
          }>);
  }
  if constexpr (std::is_signed_v<T>) {
    r.add("abs." + t, signature<T, T>(), unary<U, U, [](U a) { return static_cast<T>(a) < 0 ? static_cast<U>(0 - a) : a; }>);
    r.add("neg." + t, signature<T, T>(), unary<U, U, [](U a) { return static_cast<U>(0 - a); }>);
    r.add("min.relu." + t, signature<T, T, T>(), binary<T, T, T, [](T a, T b) { return (a < 0 || b < 0) ? T{0} : (a < b) ? a : b; }>);
    r.add("max.relu." + t, signature<T, T, T>(), binary<T, T, T, [](T a, T b) { return (a < 0 && b < 0) ? T{0} : (a < b) ? b : a; }>);
  }
}

template <class T> void register_logic(Registry& r, const std::string& t) {
  r.add("and." + t, signature<T, T, T>(), binary<T, T, T, [](T a, T b) { return a & b; }>);
  r.add("or." + t, signature<T, T, T>(), binary<T, T, T, [](T a, T b) { return a | b; }>);
  r.add("xor." + t, signature<T, T, T>(), binary<T, T, T, [](T a, T b) { return a ^ b; }>);
  r.add("not." + t, signature<T, T>(), unary<T, T, [](T a) { return ~a; }>);
  r.add("cnot." + t, signature<T, T>(), unary<T, T, [](T a) { return a == 0; }>);
  r.add("mov." + t, signature<T, T>(), unary<T, T, [](T a) { return a; }>);
  r.add("shl." + t, signature<T, T, uint32_t>(), binary<T, T, uint32_t, shift_left<T>>);
  r.add("shr." + t, signature<T, T, uint32_t>(), binary<T, T, uint32_t, shift_right<T>>);
  r.add("selp." + t, signature<T, T, T>() + "p",
        ternary<T, T, T, uint32_t, [](T a, T b, uint32_t p) { return p != 0 ? a : b; }>);
}

// lop3: the truth table is uniform, so each of its eight rows is a mask that is all ones or all zeros.
const Instr* lop3(Warp& w, const Instr* ip) {
  using U = uint32_t;
  U* d = destination<U>(w, ip->o[0]);
  const U* a = row<U>(w, ip->o[1]);
  const U* b = row<U>(w, ip->o[2]);
  const U* c = row<U>(w, ip->o[3]);
  U m[8];
  for (int k = 0; k < 8; ++k) m[k] = 0u - (static_cast<U>(ip->imm) >> k & 1u);
  apply(w, d, [=](int i) {
    const U x = a[i], y = b[i], z = c[i];
    const U low = (~y & ((~z & m[0]) | (z & m[1]))) | (y & ((~z & m[2]) | (z & m[3])));
    const U high = (~y & ((~z & m[4]) | (z & m[5]))) | (y & ((~z & m[6]) | (z & m[7])));
    return (~x & low) | (x & high);
  });
  return ip + 1;
}

void register_integer(Registry& r) {
  register_arithmetic<uint16_t>(r, "u16");
  register_arithmetic<int16_t>(r, "s16");
  register_arithmetic<uint32_t>(r, "u32");
  register_arithmetic<int32_t>(r, "s32");
  register_arithmetic<uint64_t>(r, "u64");
  register_arithmetic<int64_t>(r, "s64");
  register_logic<uint16_t>(r, "b16");
  register_logic<uint32_t>(r, "b32");
  register_logic<uint64_t>(r, "b64");
  register_carry<uint32_t>(r, "u32");
  register_carry<int32_t>(r, "s32");
  register_carry<uint64_t>(r, "u64");
  register_carry<int64_t>(r, "s64");
  using S = int32_t;
  using U = uint32_t;
  r.add("add.sat.s32", "=www", binary<S, S, S, [](S a, S b) { return saturate32(int64_t{a} + b); }>);
  r.add("sub.sat.s32", "=www", binary<S, S, S, [](S a, S b) { return saturate32(int64_t{a} - b); }>);
  r.add("mad.hi.sat.s32", "=wwww", ternary<S, S, S, S, [](S a, S b, S c) { return saturate32((((int64_t{a} * b) >> 32)) + c); }>);
  r.add("lop3.b32", "=wwwwi", lop3);
  r.add("and.pred", "=ppp", binary<U, U, U, [](U a, U b) { return a & b; }>);
  r.add("or.pred", "=ppp", binary<U, U, U, [](U a, U b) { return a | b; }>);
  r.add("xor.pred", "=ppp", binary<U, U, U, [](U a, U b) { return a ^ b; }>);
  r.add("not.pred", "=pp", unary<U, U, [](U a) { return ~a; }>);
  r.add("mov.pred", "=pp", unary<U, U, [](U a) { return a; }>);
}
