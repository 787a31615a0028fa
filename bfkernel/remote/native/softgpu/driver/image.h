// SPDX-License-Identifier: BSD-3-Clause
// What a program may hand to cuModuleLoadData: PTX text, a fat binary, a cubin, or what cuLinkComplete gave
// it.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "api.h"
#include "cubin.h"
#include "engine/engine.h"

namespace softgpu::driver {

// What of an image this device can use: PTX texts, to be linked together, or else machine code.
struct Code {
  std::vector<std::string> ptx;
  std::vector<CubinBytes> cubins;  // only where there is no PTX
  int max_registers = 0;           // with which it was linked; 0: any number
};

// Throws INVALID_IMAGE, NO_BINARY_FOR_GPU (nothing in it is for this device) or INVALID_PTX, with one line in
// log->error that says why. `size` is 0 where the caller did not tell; images then end by themselves.
Code read_image(const void* image, size_t size, std::array<int, 2> compute_capability, JitLog* log);
// The same where nothing but PTX will do.
std::vector<std::string> ptx_texts(const void* image, size_t size, std::array<int, 2> compute_capability,
                                   JitLog* log);

// The result of linking: PTX texts in one text, which begins with a line that says what it is.
std::string join_linked(const std::vector<std::string>& texts, int max_registers);

}  // namespace softgpu::driver
