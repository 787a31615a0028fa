// SPDX-License-Identifier: BSD-3-Clause
// How many blocks of a function one multiprocessor holds, and how much shared memory a block may have.
#pragma once

#include <cstddef>

#include "device.h"
#include "module.h"

namespace softgpu::driver {

// The most dynamic shared memory that a launch of the function may ask for now.
size_t max_dynamic_shared(const Device& device, const Function& function);
// 0 when not even one block fits.
int active_blocks(const Device& device, const Function& function, int block_size, size_t dynamic_shared);

}  // namespace softgpu::driver
