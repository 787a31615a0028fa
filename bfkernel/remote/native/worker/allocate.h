// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>

#include "worker/session.h"

namespace worker {

// Takes memory and answers. Where the lease is full but memory is on its way back, that is awaited before the
// answer is CUDA_ERROR_OUT_OF_MEMORY: so `attempt`, which takes the memory, may run beside the session's
// thread.
void allocate_by(Session& session, const wire::FrameHeader& request, unsigned device,
                 const std::function<CUresult()>& attempt);

}  // namespace worker
