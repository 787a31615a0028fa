// SPDX-License-Identifier: BSD-3-Clause
// Memory that the program and the GPU use at the same address: managed memory, and host memory that was made
// to be mapped.
#pragma once

#include <cstdint>

#include "shim/memory.h"

namespace shim::shared_memory {

// In the current context. Throws Failure.
uint64_t allocate(uint64_t size, memory::Origin origin);
// Of either origin; false where nothing of this origin begins at the address (any more).
bool release(uint64_t address, memory::Origin origin);

}  // namespace shim::shared_memory
