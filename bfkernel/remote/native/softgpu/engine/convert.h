// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "engine/ast.h"
#include "engine/flags.h"

namespace softgpu {

constexpr uint32_t kIntegral = 4096;  // cvt.rni and its kin: round to an integer

// aux of the handler "cvt": both types and the widths of both registers.
uint32_t conversion_code(const Type& to, const Type& from, uint32_t to_bytes, uint32_t from_bytes);

}  // namespace softgpu
