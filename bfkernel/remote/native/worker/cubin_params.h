// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/codec.h"
#include "worker/ptx_params.h"

namespace worker {

// The parameter layout of every kernel in a cubin, from what the compiler notes beside its code; empty where
// the bytes are no cubin.
ParamLayouts cubin_params(wire::Bytes cubin);

// The same for a fat binary: of its uncompressed entries.
ParamLayouts fatbin_params(wire::Bytes container);

}  // namespace worker
