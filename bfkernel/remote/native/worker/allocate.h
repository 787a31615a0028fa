// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>

#include "worker/session.h"

namespace worker {

// Allocates and answers with the address. Where the lease is full but memory is on its way back, that is
// awaited beside the session's thread before the answer is CUDA_ERROR_OUT_OF_MEMORY.
void allocate(Session& session, const wire::FrameHeader& request, unsigned device, std::uint64_t size,
              const Memory::Owner& owner);

// The same for what is not a block: `attempt` takes the memory, and may run beside the session's thread.
void allocate_by(Session& session, const wire::FrameHeader& request, unsigned device,
                 const std::function<CUresult()>& attempt);

}  // namespace worker
