// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "worker/session.h"

namespace worker {

inline constexpr unsigned kMostMemoryOperations = 256;  // CUDA's own limit

// Throws CudaError for an operation that would touch what is not the client's.
void check_memory_operation(Session& session, const CUstreamBatchMemOpParams& operation);

}  // namespace worker
