// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace softgpu {

// Formats as device printf does. `argument(size, out)` copies the next argument, which is aligned to its size
// (4 or 8), and returns false if it cannot be read; `text(address, out)` reads a string.
std::string format_printf(const std::string& format, const std::function<bool(uint32_t, void*)>& argument,
                          const std::function<bool(uint64_t, std::string*)>& text);

}  // namespace softgpu
