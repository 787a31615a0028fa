// SPDX-License-Identifier: BSD-3-Clause
// Special registers (%tid.x, %laneid, …).
#pragma once

#include <cstdint>
#include <string_view>

namespace softgpu {

struct SpecialRegister {
  int id;
  uint32_t bytes;  // 4 or 8
};

// Null: no such register.
const SpecialRegister* special_by_name(std::string_view name);

}  // namespace softgpu
