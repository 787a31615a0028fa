// SPDX-License-Identifier: BSD-3-Clause
// The log of errors that CUDA 12.9 lets a program read: what went wrong on the way or was reported back.
#pragma once

#include <string_view>

#include "shim/cuda_api.h"

namespace shim::logs {

// One line, told to the program's callbacks as well. Any thread; never throws.
void add(CUlogLevel level, std::string_view message) noexcept;

}  // namespace shim::logs
