// SPDX-License-Identifier: BSD-3-Clause
// Host memory of the program's that the GPU was given an address for, where that memory must stay as it is
// (registered memory; pinned memory that was not asked to be mapped): the GPU works on a copy on the server.
// Before work of the GPU's, what the program changed is sent; after a synchronisation, what the GPU changed
// is fetched. A third copy, of what both sides had last, tells who changed what, byte by byte.
#pragma once

#include <atomic>
#include <cstdint>

#include "shim/contexts.h"
#include "wire/opcodes.h"

namespace shim::mirrors {

// There are some: what requests that wait look at. shared_pages::exposed stays set as long.
inline std::atomic<bool> any{false};

// The GPU's address for [host, host + size), made at the first call. Throws Failure.
uint64_t address_of(uint64_t host, uint64_t size, ContextObject* context);
// The same, 0 where there is none.
uint64_t find(uint64_t host);
void drop(uint64_t host);

// Sends what the program changed; the caller keeps other threads' moves out.
void send_changes();
// After a request that waits: fetches what the GPU changed if that was a synchronisation.
void after(wire::Opcode opcode);

}  // namespace shim::mirrors
