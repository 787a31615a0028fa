// SPDX-License-Identifier: BSD-3-Clause
// Device memory that the worker has granted ahead of need, and that is handed out here: cuMemAlloc and
// cuMemFree cost no round trip while there is room. Small blocks share slabs; a larger block is a grant of
// its own, kept for a moment after it was freed. The worker has charged all of it to the lease, so the limit
// holds and what is granted is there; what is not in use counts as free to this process.
//
// Natively cuMemFree waits for the GPU. Here a block rests until the GPU cannot be using it any more: when
// the worker has said that the GPUs are idle, or at once where nothing was sent since the block was taken.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "shim/contexts.h"

namespace shim::slabs {

// Blocks that rest. While there are some, requests that wait ask whether the GPUs are idle.
inline std::atomic<size_t> resting{0};

// `size` bytes of the device of a home context. Throws Failure.
uint64_t take(ContextObject* context, uint64_t size);
// A block that take() returned.
void give(ContextObject* context, uint64_t address);
// Bytes granted and not in use, on a GPU of the lease.
uint64_t unused(int device);

}  // namespace shim::slabs
