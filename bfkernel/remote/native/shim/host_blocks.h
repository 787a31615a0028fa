// SPDX-License-Identifier: BSD-3-Clause
// Memory that this process and its worker, on the same machine, have both mapped, and that the driver knows
// as page-locked: staging.h, and what a program allocates page-locked. The GPU copies to and from it by
// itself, when the stream comes to the copy, as it does natively.
#pragma once

#include <cstdint>

#include "shim/cuda_api.h"
#include "shim/transport.h"
#include "wire/memory_messages.h"

namespace shim::host_blocks {

struct Place {
  uint64_t block = 0;   // its name
  uint64_t offset = 0;  // bytes
};

// Memory of `size` bytes and the name of its block. Null where there is none to be had; the program then gets
// ordinary memory. Throws Failure where the connection is gone.
struct Allocation {
  void* memory = nullptr;
  uint64_t block = 0;
};
Allocation allocate(uint64_t size);
// Copies on their way are still done.
void release(const Allocation& allocation, uint64_t size);

// Posts a copy between the device and a block.
void copy(wire::Direction direction, uint64_t device, CUstream stream, Place place, uint64_t size);

// Asks for an answer when the stream has done its copies so far; the other form waits for it, and throws
// Failure for an error, and returns the request's number.
void ask_when_done(CUstream stream, Pending& pending);
uint64_t wait_until_done(CUstream stream);

}  // namespace shim::host_blocks
