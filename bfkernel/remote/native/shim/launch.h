// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shim/modules.h"

namespace shim {

// A kernel's parameters packed by its layout, from either form in which a program passes them. Valid until
// the thread packs the next.
wire::Bytes kernel_parameters(const FunctionObject* function, void** params, void** extra);

// For copies to the host: throws NO_BINARY_FOR_GPU, once, when a launch in the stream had nothing to run.
// Whoever did not look at what that launch answered (CuPy does not, of CUB's) would take what is there for
// its results.
void require_results(CUstream stream);

}  // namespace shim
