// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

namespace softgpu {

bool is_atomic_operation(std::string_view name);  // "add", "cas", …

}  // namespace softgpu
