// SPDX-License-Identifier: BSD-3-Clause
// Modifiers of floating-point instructions, as they stand in Instr::aux.
#pragma once

#include <cstdint>

namespace softgpu {

enum FloatFlags : unsigned {
  kRoundNearest = 0,
  kRoundZero = 1,
  kRoundDown = 2,
  kRoundUp = 3,
  kRoundMask = 3,
  kFtz = 4,
  kSaturate = 8,
  kRelu = 16,
  kNan = 32,
  kXorsign = 64,
  kNegate = 128,
  kApprox = 256,
  kRoundAway = 512,  // .rna
  kOutOfBounds = 1024,
  kFinite = 2048,  // .satfinite
};

}  // namespace softgpu
