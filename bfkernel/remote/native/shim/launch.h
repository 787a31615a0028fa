// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shim/modules.h"

namespace shim {

// A kernel's parameters packed by its layout, from either form in which a program passes them. Valid until
// the thread packs the next.
wire::Bytes kernel_parameters(const FunctionObject* function, void** params, void** extra);

}  // namespace shim
