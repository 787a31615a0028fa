// SPDX-License-Identifier: BSD-3-Clause
// Allocating and freeing what contexts own.
#pragma once

#include "address_space.h"
#include "context.h"

namespace softgpu::driver {

// Device memory of the context's device, the context's unless it is to outlive it. Throws OUT_OF_MEMORY.
uint64_t allocate(Context& context, size_t size, RangeKind kind, unsigned flags = 0, bool internal = false,
                  bool outlives_context = false);
// Gives back a range already taken out of the address space.
void release(const Range& range);
// Frees a module's variable.
void free_internal(uint64_t address);
// Everything that the context still owns.
void free_all(Context& context);
// Lets other processes map memory of a device; it stays where it is. Throws OPERATING_SYSTEM.
SharedPart share(Device& device, uint64_t address, size_t size);
// Throws INVALID_VALUE unless [address, address + size) is memory that the context reaches.
void require_reachable(const Context& context, uint64_t address, size_t size);

}  // namespace softgpu::driver
