// SPDX-License-Identifier: BSD-3-Clause
// Transcendental functions. PTX specifies approximations; these are accurate to the last bits of single
// precision, which is within every documented error.
#include <bit>
#include <cmath>

#include "engine/flags.h"
#include "engine/registry.h"
#include "engine/warp.h"

namespace softgpu {
namespace {

float flush(float x) {
  const auto b = std::bit_cast<uint32_t>(x);
  return (b & 0x7f800000u) == 0 ? std::bit_cast<float>(b & 0x80000000u) : x;
}

template <double (*F)(double)>
const Instr* function(Warp& w, const Instr* ip) {
  float* d = destination<float>(w, ip->o[0]);
  const float* a = row<float>(w, ip->o[1]);
  const bool ftz = (ip->aux & kFtz) != 0;
  each_lane(w.active, [&](int i) {
    const auto y = static_cast<float>(F(ftz ? flush(a[i]) : a[i]));
    d[i] = std::isnan(y) ? std::bit_cast<float>(0x7fffffffu) : ftz ? flush(y) : y;
  });
  return ip + 1;
}

double sine(double x) { return std::sin(x); }
double cosine(double x) { return std::cos(x); }
double log_2(double x) { return std::log2(x); }
double power_2(double x) { return std::exp2(x); }
double hyperbolic_tangent(double x) { return std::tanh(x); }

enum class Test { finite, infinite, number, notanumber, normal, subnormal };

template <class T, Test Which>
const Instr* test(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const T* a = row<T>(w, ip->o[1]);
  each_lane(w.active, [&](int i) {
    const T x = a[i];
    bool yes = false;
    switch (Which) {
      case Test::finite:
        yes = std::isfinite(x);
        break;
      case Test::infinite:
        yes = std::isinf(x);
        break;
      case Test::number:
        yes = !std::isnan(x);
        break;
      case Test::notanumber:
        yes = std::isnan(x);
        break;
      // Zero is a subnormal to neither, and testp counts it as normal.
      case Test::normal:
        yes = std::isnormal(x) || x == 0;
        break;
      case Test::subnormal:
        yes = std::fpclassify(x) == FP_SUBNORMAL;
        break;
    }
    d[i] = yes ? ~0u : 0;
  });
  return ip + 1;
}

template <class T>
void register_tests(Registry& r, const std::string& t, const std::string& sig) {
  r.add("testp.finite." + t, sig, test<T, Test::finite>);
  r.add("testp.infinite." + t, sig, test<T, Test::infinite>);
  r.add("testp.number." + t, sig, test<T, Test::number>);
  r.add("testp.notanumber." + t, sig, test<T, Test::notanumber>);
  r.add("testp.normal." + t, sig, test<T, Test::normal>);
  r.add("testp.subnormal." + t, sig, test<T, Test::subnormal>);
}

}  // namespace

void register_math(Registry& r) {
  r.add("sin.f32", "=ff", function<sine>);
  r.add("cos.f32", "=ff", function<cosine>);
  r.add("lg2.f32", "=ff", function<log_2>);
  r.add("ex2.f32", "=ff", function<power_2>);
  r.add("tanh.f32", "=ff", function<hyperbolic_tangent>);
  register_tests<float>(r, "f32", "=pf");
  register_tests<double>(r, "f64", "=pe");
}

}  // namespace softgpu
