// SPDX-License-Identifier: BSD-3-Clause
// Arithmetic in f32 and f64. Rounding to nearest is the vectorised fast path; other roundings set the processor's
// rounding mode around the same loops.

SOFTGPU_INLINE uint32_t f32_bits(float x) { return __builtin_bit_cast(uint32_t, x); }
SOFTGPU_INLINE float f32_from(uint32_t x) { return __builtin_bit_cast(float, x); }

// The one NaN that single-precision instructions produce.
SOFTGPU_INLINE float canonical(float x) { return x != x ? f32_from(0x7fffffffu) : x; }
SOFTGPU_INLINE double canonical(double x) { return x; }
// .ftz: subnormals become zeros of the same sign.
SOFTGPU_INLINE float flush(float x) {
  const uint32_t b = f32_bits(x);
  return f32_from((b & 0x7f800000u) == 0 ? b & 0x80000000u : b);
}
SOFTGPU_INLINE double flush(double x) { return x; }
template <class T> SOFTGPU_INLINE T saturate(T x) { return x > T{0} ? (x < T{1} ? x : T{1}) : T{0}; }

SOFTGPU_INLINE float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
SOFTGPU_INLINE double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }
SOFTGPU_INLINE float root(float x) { return __builtin_sqrtf(x); }
SOFTGPU_INLINE double root(double x) { return __builtin_sqrt(x); }

struct OpAdd { template <class T> SOFTGPU_INLINE T f(T a, T b, T) { return a + b; } };
struct OpSub { template <class T> SOFTGPU_INLINE T f(T a, T b, T) { return a - b; } };
struct OpMul { template <class T> SOFTGPU_INLINE T f(T a, T b, T) { return a * b; } };
struct OpDiv { template <class T> SOFTGPU_INLINE T f(T a, T b, T) { return a / b; } };
struct OpFma { template <class T> SOFTGPU_INLINE T f(T a, T b, T c) { return fused(a, b, c); } };
struct OpRcp { template <class T> SOFTGPU_INLINE T f(T a, T, T) { return T{1} / a; } };
struct OpSqrt { template <class T> SOFTGPU_INLINE T f(T a, T, T) { return root(a); } };
struct OpRsqrt { template <class T> SOFTGPU_INLINE T f(T a, T, T) { return T{1} / root(a); } };

// Round to nearest even; Ftz as the instruction says.
template <class T, class Op, int Arity, bool Ftz>
const Instr* real(Warp& w, const Instr* ip) {
  T* d = destination<T>(w, ip->o[0]);
  const T* a = row<T>(w, ip->o[1]);
  const T* b = row<T>(w, ip->o[Arity > 1 ? 2 : 1]);
  const T* c = row<T>(w, ip->o[Arity > 2 ? 3 : 1]);
  apply(w, d, [=](int i) {
    if constexpr (Ftz) return canonical(flush(Op::template f<T>(flush(a[i]), flush(b[i]), flush(c[i]))));
    else return canonical(Op::template f<T>(a[i], b[i], c[i]));
  });
  return ip + 1;
}

// Any rounding, flushing and saturation, as FloatFlags in aux say.
template <class T, class Op, int Arity>
const Instr* real_any(Warp& w, const Instr* ip) {
  const uint32_t flags = ip->aux;
  T* d = destination<T>(w, ip->o[0]);
  alignas(64) T in[3][kLanes];
  alignas(64) T out[kLanes];
  for (int k = 0; k < Arity; ++k) {
    const T* a = row<T>(w, ip->o[1 + k]);
    const bool ftz = (flags & kFtz) != 0;
    SOFTGPU_LANES in[k][i] = ftz ? flush(a[i]) : a[i];
  }
  const unsigned saved = _mm_getcsr();
  static constexpr unsigned modes[4] = {0x0000, 0x6000, 0x2000, 0x4000};  // nearest, zero, down, up
  _mm_setcsr((saved & ~0x6000u) | modes[flags & kRoundMask]);
  // The inputs are read after, and the outputs written before, what the compiler may not move.
  asm volatile("" : : "r"(in), "r"(out) : "memory");
  SOFTGPU_LANES out[i] = Op::template f<T>(in[0][i], in[Arity > 1 ? 1 : 0][i], in[Arity > 2 ? 2 : 0][i]);
  asm volatile("" : : "r"(in), "r"(out) : "memory");
  _mm_setcsr(saved);
  if (flags & kFtz) SOFTGPU_LANES out[i] = flush(out[i]);
  if (flags & kSaturate) SOFTGPU_LANES out[i] = saturate(out[i]);
  if (flags & kRelu) SOFTGPU_LANES out[i] = out[i] != out[i] ? out[i] : out[i] > T{0} ? out[i] : T{0};
  apply(w, d, [&](int i) { return canonical(out[i]); });
  return ip + 1;
}

template <class T, bool Max> SOFTGPU_INLINE T extreme(T a, T b) {
  const bool less = a < b;
  const bool more = a > b;
  const T ordered = Max ? (more ? a : b) : (less ? a : b);
  // Equal operands differ at most in the sign of zero, and -0 < +0.
  const T equal = Max ? (__builtin_signbit(a) ? b : a) : (__builtin_signbit(a) ? a : b);
  const T both = a == b ? equal : ordered;
  return a != a ? b : b != b ? a : both;
}

template <class T, bool Max>
const Instr* real_extreme(Warp& w, const Instr* ip) {
  const uint32_t flags = ip->aux;
  const bool ftz = (flags & kFtz) != 0;
  const bool nan = (flags & kNan) != 0;
  const bool xorsign = (flags & kXorsign) != 0;
  T* d = destination<T>(w, ip->o[0]);
  const T* a = row<T>(w, ip->o[1]);
  const T* b = row<T>(w, ip->o[2]);
  apply(w, d, [=](int i) {
    T x = ftz ? flush(a[i]) : a[i];
    T y = ftz ? flush(b[i]) : b[i];
    const bool negative = xorsign && (__builtin_signbit(x) != 0) != (__builtin_signbit(y) != 0);
    if (xorsign) x = __builtin_signbit(x) ? -x : x, y = __builtin_signbit(y) ? -y : y;
    T r = extreme<T, Max>(x, y);
    r = nan && (x != x || y != y) ? x + y : r;
    r = negative ? -r : r;
    return canonical(r);
  });
  return ip + 1;
}

const Instr* f32_sign(Warp& w, const Instr* ip) {  // abs and neg: aux holds kFtz, imm the bits to clear and flip
  uint32_t* d = destination<uint32_t>(w, ip->o[0]);
  const uint32_t* a = row<uint32_t>(w, ip->o[1]);
  const bool ftz = (ip->aux & kFtz) != 0;
  const bool negate = (ip->aux & kNegate) != 0;
  apply(w, d, [=](int i) {
    const uint32_t x = ftz ? f32_bits(flush(f32_from(a[i]))) : a[i];
    return negate ? x ^ 0x80000000u : x & 0x7fffffffu;
  });
  return ip + 1;
}

template <class T, class Op, int Arity> void register_real(Registry& r, const std::string& op, const std::string& t) {
  std::string sig(2 + Arity, sizeof(T) == 4 ? 'f' : 'e');
  sig[0] = '=';
  r.add(op + "." + t, sig, real<T, Op, Arity, false>);
  r.add(op + ".any." + t, sig, real_any<T, Op, Arity>);
  if constexpr (sizeof(T) == 4) r.add(op + ".ftz." + t, sig, real<T, Op, Arity, true>);
}

template <class T> void register_reals(Registry& r, const std::string& t) {
  register_real<T, OpAdd, 2>(r, "add", t);
  register_real<T, OpSub, 2>(r, "sub", t);
  register_real<T, OpMul, 2>(r, "mul", t);
  register_real<T, OpDiv, 2>(r, "div", t);
  register_real<T, OpFma, 3>(r, "fma", t);
  register_real<T, OpRcp, 1>(r, "rcp", t);
  register_real<T, OpSqrt, 1>(r, "sqrt", t);
  register_real<T, OpRsqrt, 1>(r, "rsqrt", t);
  const std::string sig(sizeof(T) == 4 ? "=fff" : "=eee");
  r.add("min." + t, sig, real_extreme<T, false>);
  r.add("max." + t, sig, real_extreme<T, true>);
}

void register_float(Registry& r) {
  register_reals<float>(r, "f32");
  register_reals<double>(r, "f64");
  r.add("abs.f32", "=ff", f32_sign);
  r.add("abs.ftz.f32", "=ff", f32_sign, kFtz);
  r.add("neg.f32", "=ff", f32_sign, kNegate);
  r.add("neg.ftz.f32", "=ff", f32_sign, kNegate | kFtz);
  using D = uint64_t;
  r.add("abs.f64", "=ee", unary<D, D, [](D a) { return a & ~(1ull << 63); }>);
  r.add("neg.f64", "=ee", unary<D, D, [](D a) { return a ^ 1ull << 63; }>);
  r.add("copysign.f32", "=fff", binary<uint32_t, uint32_t, uint32_t, [](uint32_t a, uint32_t b) {
          return (a & 0x80000000u) | (b & 0x7fffffffu);
        }>);
  r.add("copysign.f64", "=eee", binary<D, D, D, [](D a, D b) { return (a & 1ull << 63) | (b & ~(1ull << 63)); }>);
}
