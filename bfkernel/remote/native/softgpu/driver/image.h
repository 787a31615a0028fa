// SPDX-License-Identifier: BSD-3-Clause
// What a program may hand to cuModuleLoadData: PTX text, a fat binary, a cubin, or what cuLinkComplete gave
// it.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "api.h"
#include "engine/engine.h"

namespace softgpu::driver {

// The PTX texts that make up an image, to be linked together. Throws INVALID_IMAGE, NO_BINARY_FOR_GPU
// (nothing in it is PTX for this device) or INVALID_PTX, with one line in log->error that says why. `size` is
// 0 where the caller did not tell; images then end by themselves.
std::vector<std::string> ptx_texts(const void* image, size_t size, std::array<int, 2> compute_capability,
                                   JitLog* log);

// The result of linking: PTX texts in one text, which begins with a line that says what it is.
std::string join_linked(const std::vector<std::string>& texts);

}  // namespace softgpu::driver
