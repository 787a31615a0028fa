// SPDX-License-Identifier: BSD-3-Clause
// Device memory that the worker has granted ahead of need, and that is handed out here: cuMemAlloc and
// cuMemFree cost no round trip while there is room. Small blocks share slabs; a larger block is a grant of
// its own, kept for a moment after it was freed. The worker has charged all of it to the lease, so the limit
// holds and what is granted is there; what is not in use counts as free to this process.
//
// Natively cuMemFree waits for the GPU. Here a block rests until the GPU cannot be using it any more: when
// the worker has said that the GPUs are idle, or at once where nothing was sent since the block was taken.
// What was freed in a stream's order rests as well, but the same stream has it again at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "shim/contexts.h"

namespace shim::slabs {

// Blocks that rest. While there are some, requests that wait ask whether the GPUs are idle.
inline std::atomic<size_t> resting{0};

// `size` bytes of the device of a home context. Throws Failure.
uint64_t take(ContextObject* context, uint64_t size);
// The same in the order of a stream (by its id), on a device of the lease that may be another than the
// context's.
uint64_t take_in_order(ContextObject* context, int device, uint64_t size, uint64_t stream);
// A block that either returned, freed in the order of a stream or in none.
void give(ContextObject* context, int device, uint64_t address, std::optional<uint64_t> stream);
// Grants without a block go back to the worker now.
void give_back_empty();
// Bytes granted and not in use, on a GPU of the lease.
uint64_t unused(int device);

}  // namespace shim::slabs
