// SPDX-License-Identifier: BSD-3-Clause
// The loops over a warp's lanes. This file and its neighbours are compiled once for each vector extension, inside the
// namespace SOFTGPU_ISA, so nothing in them may be shared between those copies (no inline functions in headers).

#define SOFTGPU_INLINE static inline __attribute__((always_inline))
#define SOFTGPU_LANES _Pragma("GCC ivdep") for (int i = 0; i < kLanes; ++i)

// d[i] = f(i) in the active lanes. f must be free of traps: it is evaluated in inactive lanes as well.
template <class D, class F>
SOFTGPU_INLINE void apply(Warp& w, D* d, F f) {
  if (w.full) [[likely]] {
    SOFTGPU_LANES d[i] = f(i);
  } else {
    const uint32_t* mask = w.lanes;
    SOFTGPU_LANES {
      const D old = d[i];
      const D fresh = f(i);
      d[i] = mask[i] != 0 ? fresh : old;
    }
  }
}

// The lanes in which predicate row p is true, as a bit mask.
SOFTGPU_INLINE uint32_t bits_of(const uint32_t* p) {
  uint32_t mask = 0;
#ifdef __AVX2__
  for (int k = 0; k < 4; ++k) {
    const __m256 v = _mm256_loadu_ps(reinterpret_cast<const float*>(p + 8 * k));
    mask |= static_cast<uint32_t>(_mm256_movemask_ps(v)) << (8 * k);
  }
#else
  for (int k = 0; k < 8; ++k) {
    const __m128 v = _mm_loadu_ps(reinterpret_cast<const float*>(p + 4 * k));
    mask |= static_cast<uint32_t>(_mm_movemask_ps(v)) << (4 * k);
  }
#endif
  return mask;
}

template <class D, class A, auto F>
const Instr* unary(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  const A* a = row<A>(w, ip->o[1]);
  apply(w, d, [=](int i) { return static_cast<D>(F(a[i])); });
  return ip + 1;
}

template <class D, class A, class B, auto F>
const Instr* binary(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  const A* a = row<A>(w, ip->o[1]);
  const B* b = row<B>(w, ip->o[2]);
  apply(w, d, [=](int i) { return static_cast<D>(F(a[i], b[i])); });
  return ip + 1;
}

template <class D, class A, class B, class C, auto F>
const Instr* ternary(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  const A* a = row<A>(w, ip->o[1]);
  const B* b = row<B>(w, ip->o[2]);
  const C* c = row<C>(w, ip->o[3]);
  apply(w, d, [=](int i) { return static_cast<D>(F(a[i], b[i], c[i])); });
  return ip + 1;
}

template <class T>
constexpr char letter() { return sizeof(T) == 2 ? 'h' : sizeof(T) == 4 ? 'w' : sizeof(T) == 8 ? 'l' : 'q'; }

template <class... Ts>
std::string signature() {
  std::string s = "=";
  (s.push_back(letter<Ts>()), ...);
  return s;
}
