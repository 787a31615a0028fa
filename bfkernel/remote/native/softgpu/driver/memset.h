// SPDX-License-Identifier: BSD-3-Clause
// A fill of memory: checked, to be run now or later.
#pragma once

#include <functional>

#include "context.h"
#include "copy.h"

namespace softgpu::driver {

// Throws INVALID_VALUE.
std::function<void()> plan_fill(const Context& context, const CUDA_MEMSET_NODE_PARAMS& fill, When when);

}  // namespace softgpu::driver
