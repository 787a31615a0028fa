// SPDX-License-Identifier: BSD-3-Clause
#include "engine/numeric.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace softgpu {

const FloatFormat kF16 = {10, 15, -14, true, 0x7fff, 0x7bff};
const FloatFormat kBf16 = {7, 127, -126, true, 0x7fff, 0x7f7f};
const FloatFormat kTf32 = {10, 127, -126, true, 0x3ffff, 0x3fbff};
const FloatFormat kE4m3 = {3, 8, -6, false, 0x7f, 0x7e};
const FloatFormat kE5m2 = {2, 15, -14, true, 0x7f, 0x7b};
const FloatFormat kF32 = {23, 127, -126, true, 0x7fffffff, 0x7f7fffff};

namespace {

int exponent_bits(const FloatFormat& f) {
  return f.infinities ? std::bit_width(static_cast<unsigned>(f.max_exponent)) + 1 : 4;
}
uint32_t sign_bit(const FloatFormat& f) { return 1u << (f.mantissa + exponent_bits(f)); }

// Rounds x >= 0 to an integer.
double round_integer(double x, uint32_t flags, bool negative) {
  const double down = std::floor(x);
  const double rest = x - down;
  if (rest == 0) return x;
  if (flags & kRoundAway) return rest >= 0.5 ? down + 1 : down;
  switch (flags & kRoundMask) {
    case kRoundZero:
      return down;
    case kRoundDown:
      return negative ? down + 1 : down;
    case kRoundUp:
      return negative ? down : down + 1;
    default:
      return rest > 0.5 || (rest == 0.5 && std::fmod(down, 2) != 0) ? down + 1 : down;
  }
}

}  // namespace

uint32_t round_to(const FloatFormat& f, double x, uint32_t flags) {
  if (std::isnan(x)) return f.nan;
  const bool negative = std::signbit(x);
  const uint32_t sign = negative ? sign_bit(f) : 0;
  const double magnitude = std::fabs(x);
  const uint32_t infinity = static_cast<uint32_t>((1u << exponent_bits(f)) - 1) << f.mantissa;
  if (std::isinf(x)) return sign | (flags & kFinite ? f.largest : f.infinities ? infinity : f.nan);
  if (magnitude == 0) return sign;
  const int exponent = std::max(std::ilogb(magnitude), f.min_exponent);
  const double scaled = round_integer(std::ldexp(magnitude, f.mantissa - exponent), flags, negative);
  const auto units = static_cast<uint32_t>(scaled);  // at most 2^(mantissa + 1)
  const int biased = exponent - f.min_exponent;      // 0 for subnormal and the first normal binade
  // Adding lets a carry out of the mantissa step into the exponent.
  const uint64_t bits = (static_cast<uint64_t>(biased) << f.mantissa) + units;
  if (bits > f.largest) {
    const uint32_t mode = flags & kRoundMask;
    const bool stays = !(flags & kRoundAway) && (mode == kRoundZero || (mode == kRoundDown && !negative) ||
                                                 (mode == kRoundUp && negative));
    if (stays || (flags & kFinite)) return sign | f.largest;
    return sign | (f.infinities ? infinity : f.nan);
  }
  if ((flags & kFtz) && bits < (1ull << f.mantissa)) return sign;
  return sign | static_cast<uint32_t>(bits);
}

double value_of(const FloatFormat& f, uint32_t bits) {
  const bool negative = (bits & sign_bit(f)) != 0;
  const uint32_t magnitude = bits & (sign_bit(f) - 1);
  const uint32_t exponent = magnitude >> f.mantissa;
  const uint32_t mantissa = magnitude & ((1u << f.mantissa) - 1);
  double x;
  if (magnitude > f.largest) {
    x = f.infinities && mantissa == 0 ? std::numeric_limits<double>::infinity()
                                      : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    x = std::ldexp(mantissa, f.min_exponent - f.mantissa);
  } else {
    x = std::ldexp(mantissa | 1u << f.mantissa, static_cast<int>(exponent) - 1 + f.min_exponent - f.mantissa);
  }
  return negative ? -x : x;
}

double f16_value(uint16_t bits) {
  static const auto* table = [] {
    auto* t = new std::array<float, 65536>;
    for (uint32_t i = 0; i < 65536; ++i) (*t)[i] = static_cast<float>(value_of(kF16, i));
    return t;
  }();
  return (*table)[bits];
}

double bf16_value(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

double fma_to_odd(double a, double b, double c) {
  const double p = a * b;
  const double s = p + c;
  if (!std::isfinite(s)) return s;
  const double t = s - p;
  const double error = (p - (s - t)) + (c - t);
  if (error == 0 || (std::bit_cast<uint64_t>(s) & 1) != 0) return s;
  const bool away = (error > 0) == (s > 0);
  if (s == 0) return error;
  return std::bit_cast<double>(std::bit_cast<uint64_t>(s) + (away ? 1 : -1));
}

RoundingScope::RoundingScope(uint32_t flags) : saved_(_mm_getcsr()) {
  static constexpr unsigned modes[4] = {0x0000, 0x6000, 0x2000, 0x4000};  // nearest, zero, down, up
  _mm_setcsr((saved_ & ~0x6000u) | modes[flags & kRoundMask]);
  asm volatile("" : : : "memory");
}

RoundingScope::~RoundingScope() {
  asm volatile("" : : : "memory");
  _mm_setcsr(saved_);
}

}  // namespace softgpu
