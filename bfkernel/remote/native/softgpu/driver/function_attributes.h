// SPDX-License-Identifier: BSD-3-Clause
// What cuFuncGetAttribute and cuKernelGetAttribute answer, and what can be set.
#pragma once

#include "device.h"
#include "module.h"

namespace softgpu::driver {

// Both throw INVALID_VALUE for an attribute that does not exist or cannot be set.
int get_attribute(const Device& device, const KernelInfo& info, const FunctionSettings& settings,
                  CUfunction_attribute attribute);
void set_attribute(const Device& device, const KernelInfo& info, FunctionSettings& settings,
                   CUfunction_attribute attribute, int value);

}  // namespace softgpu::driver
