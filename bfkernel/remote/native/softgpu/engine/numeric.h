// SPDX-License-Identifier: BSD-3-Clause
// Small floating-point formats, and rounding to them. Every value of every format here is exact in a double,
// so results are computed in double and rounded once.
#pragma once

#include <cstdint>

#include "engine/flags.h"

namespace softgpu {

struct FloatFormat {
  int mantissa;      // bits behind the point
  int max_exponent;  // of the largest finite number, unbiased
  int min_exponent;  // of the smallest normal number
  bool infinities;   // e4m3 has none: its all-ones pattern is NaN and the rest of that binade is finite
  uint32_t nan;
  uint32_t largest;  // pattern of the largest finite number
};

extern const FloatFormat kF16;
extern const FloatFormat kBf16;
extern const FloatFormat kTf32;  // 19 bits, kept in the upper part of a 32-bit register
extern const FloatFormat kE4m3;
extern const FloatFormat kE5m2;
extern const FloatFormat kF32;

// Bit pattern of x rounded as flags say (kRoundMask, kRoundAway, kFinite, kFtz for subnormal results).
uint32_t round_to(const FloatFormat& format, double x, uint32_t flags);
double value_of(const FloatFormat& format, uint32_t bits);

inline uint16_t f16_from_double(double x, uint32_t flags) {
  return static_cast<uint16_t>(round_to(kF16, x, flags));
}
inline uint16_t bf16_from_double(double x, uint32_t flags) {
  return static_cast<uint16_t>(round_to(kBf16, x, flags));
}
double f16_value(uint16_t bits);
double bf16_value(uint16_t bits);

// a * b + c rounded to odd in double: rounding that once more to any format of at most 50 bits is exact.
// a * b must be exact in double (as it is for all formats up to f32).
double fma_to_odd(double a, double b, double c);

// Runs f with the processor's rounding mode set to flags & kRoundMask.
class RoundingScope {
 public:
  explicit RoundingScope(uint32_t flags);
  ~RoundingScope();
  RoundingScope(const RoundingScope&) = delete;

 private:
  unsigned saved_;
};

}  // namespace softgpu
