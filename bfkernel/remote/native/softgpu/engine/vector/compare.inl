// SPDX-License-Identifier: BSD-3-Clause
// setp, and the conversions between widths that address arithmetic is full of.

template <class T, auto F>
const Instr* compare(Warp& w, const Instr* ip) {
  uint32_t* d = destination<uint32_t>(w, ip->o[0]);
  const T* a = row<T>(w, ip->o[1]);
  const T* b = row<T>(w, ip->o[2]);
  apply(w, d, [=](int i) { return F(a[i], b[i]) ? ~0u : 0u; });
  return ip + 1;
}
template <auto F>
const Instr* compare_ftz(Warp& w, const Instr* ip) {
  uint32_t* d = destination<uint32_t>(w, ip->o[0]);
  const float* a = row<float>(w, ip->o[1]);
  const float* b = row<float>(w, ip->o[2]);
  apply(w, d, [=](int i) { return F(flush(a[i]), flush(b[i])) ? ~0u : 0u; });
  return ip + 1;
}

template <class T> void register_ordered(Registry& r, const std::string& t, const std::string& sig) {
  r.add("setp.eq." + t, sig, compare<T, [](T a, T b) { return a == b; }>);
  r.add("setp.ne." + t, sig, compare<T, [](T a, T b) { return a != b; }>);
  r.add("setp.lt." + t, sig, compare<T, [](T a, T b) { return a < b; }>);
  r.add("setp.le." + t, sig, compare<T, [](T a, T b) { return a <= b; }>);
  r.add("setp.gt." + t, sig, compare<T, [](T a, T b) { return (a > b); }>);
  r.add("setp.ge." + t, sig, compare<T, [](T a, T b) { return (a >= b); }>);
}
template <class T> void register_unordered(Registry& r, const std::string& t, const std::string& sig) {
  // PTX: .ne is false for NaN, the forms ending in u are true.
  r.add("setp.ne." + t, sig, compare<T, [](T a, T b) { return (a < b || a > b); }>);
  r.add("setp.equ." + t, sig, compare<T, [](T a, T b) { return (!(a < b || a > b)); }>);
  r.add("setp.neu." + t, sig, compare<T, [](T a, T b) { return a != b; }>);
  r.add("setp.ltu." + t, sig, compare<T, [](T a, T b) { return !(a >= b); }>);
  r.add("setp.leu." + t, sig, compare<T, [](T a, T b) { return !(a > b); }>);
  r.add("setp.gtu." + t, sig, compare<T, [](T a, T b) { return !(a <= b); }>);
  r.add("setp.geu." + t, sig, compare<T, [](T a, T b) { return !(a < b); }>);
  r.add("setp.num." + t, sig, compare<T, [](T a, T b) { return a == a && b == b; }>);
  r.add("setp.nan." + t, sig, compare<T, [](T a, T b) { return a != a || b != b; }>);
}

void register_flushed(Registry& r) {
  using T = float;
  const std::string sig = "=pff";
  r.add("setp.eq.ftz.f32", sig, compare_ftz<[](T a, T b) { return a == b; }>);
  r.add("setp.lt.ftz.f32", sig, compare_ftz<[](T a, T b) { return a < b; }>);
  r.add("setp.le.ftz.f32", sig, compare_ftz<[](T a, T b) { return a <= b; }>);
  r.add("setp.gt.ftz.f32", sig, compare_ftz<[](T a, T b) { return (a > b); }>);
  r.add("setp.ge.ftz.f32", sig, compare_ftz<[](T a, T b) { return (a >= b); }>);
  r.add("setp.ne.ftz.f32", sig, compare_ftz<[](T a, T b) { return (a < b || a > b); }>);
  r.add("setp.equ.ftz.f32", sig, compare_ftz<[](T a, T b) { return (!(a < b || a > b)); }>);
  r.add("setp.neu.ftz.f32", sig, compare_ftz<[](T a, T b) { return a != b; }>);
  r.add("setp.ltu.ftz.f32", sig, compare_ftz<[](T a, T b) { return !(a >= b); }>);
  r.add("setp.leu.ftz.f32", sig, compare_ftz<[](T a, T b) { return !(a > b); }>);
  r.add("setp.gtu.ftz.f32", sig, compare_ftz<[](T a, T b) { return !(a <= b); }>);
  r.add("setp.geu.ftz.f32", sig, compare_ftz<[](T a, T b) { return !(a < b); }>);
  r.add("setp.num.ftz.f32", sig, compare_ftz<[](T a, T b) { return a == a && b == b; }>);
  r.add("setp.nan.ftz.f32", sig, compare_ftz<[](T a, T b) { return a != a || b != b; }>);
}

// Integer conversions by register width: From is how the source is read, To how the destination is written.
template <class To, class Reg, class From> const Instr* resize(Warp& w, const Instr* ip) {
  To* d = destination<To>(w, ip->o[0]);
  const Reg* a = row<Reg>(w, ip->o[1]);
  apply(w, d, [=](int i) { return static_cast<To>(static_cast<From>(a[i])); });
  return ip + 1;
}
// "resize.TO.REG.FROM": TO and REG are register bits, FROM the type the source is taken as.
template <class From> void register_resize(Registry& r, const std::string& from) {
  r.add("resize.16.16." + from, "=hh", resize<int16_t, int16_t, From>);
  r.add("resize.32.16." + from, "=wh", resize<int32_t, int16_t, From>);
  r.add("resize.64.16." + from, "=lh", resize<int64_t, int16_t, From>);
  r.add("resize.16.32." + from, "=hw", resize<int16_t, int32_t, From>);
  r.add("resize.32.32." + from, "=ww", resize<int32_t, int32_t, From>);
  r.add("resize.64.32." + from, "=lw", resize<int64_t, int32_t, From>);
  r.add("resize.16.64." + from, "=hl", resize<int16_t, int64_t, From>);
  r.add("resize.32.64." + from, "=wl", resize<int32_t, int64_t, From>);
  r.add("resize.64.64." + from, "=ll", resize<int64_t, int64_t, From>);
}

void register_compare(Registry& r) {
  register_ordered<uint16_t>(r, "u16", "=phh");
  register_ordered<int16_t>(r, "s16", "=phh");
  register_ordered<uint16_t>(r, "b16", "=phh");
  register_ordered<uint32_t>(r, "u32", "=pww");
  register_ordered<int32_t>(r, "s32", "=pww");
  register_ordered<uint32_t>(r, "b32", "=pww");
  register_ordered<uint64_t>(r, "u64", "=pll");
  register_ordered<int64_t>(r, "s64", "=pll");
  register_ordered<uint64_t>(r, "b64", "=pll");
  register_ordered<float>(r, "f32", "=pff");
  register_ordered<double>(r, "f64", "=pee");
  register_unordered<float>(r, "f32", "=pff");
  register_unordered<double>(r, "f64", "=pee");
  register_flushed(r);
  register_resize<uint8_t>(r, "u8");
  register_resize<int8_t>(r, "s8");
  register_resize<uint16_t>(r, "u16");
  register_resize<int16_t>(r, "s16");
  register_resize<uint32_t>(r, "u32");
  register_resize<int32_t>(r, "s32");
  register_resize<uint64_t>(r, "u64");
  r.add("real.f32.s32", "=fw", unary<float, int32_t, [](int32_t a) { return static_cast<float>(a); }>);
  r.add("real.f32.u32", "=fw", unary<float, uint32_t, [](uint32_t a) { return static_cast<float>(a); }>);
  r.add("real.f64.s32", "=ew", unary<double, int32_t, [](int32_t a) { return static_cast<double>(a); }>);
  r.add("real.f64.u32", "=ew", unary<double, uint32_t, [](uint32_t a) { return static_cast<double>(a); }>);
  r.add("real.f64.f32", "=ef", unary<double, float, [](float a) { return static_cast<double>(a); }>);
  r.add("real.f32.f64", "=fe", unary<float, double, [](double a) { return canonical(static_cast<float>(a)); }>);
}
