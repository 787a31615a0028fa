// SPDX-License-Identifier: BSD-3-Clause
// Which device memory this process has: what frees, copies and pointer queries are checked against and
// answered from.
#pragma once

#include <cstdint>
#include <optional>

#include "shim/contexts.h"

namespace shim::memory {

enum class Origin : uint8_t {
  plain,
  pooled,
  mapped,
  global,
  managed,
  managed_variable,  // a module's: as managed memory, but the module's to free
  shared,            // another process's (cuIpc*)
  host,              // mapped host memory: only its own calls free it
  graph,             // a graph's own allocation
};

struct Allocation {
  uint64_t address = 0;
  uint64_t size = 0;
  Origin origin = Origin::plain;
  ContextObject* context = nullptr;
  int device = 0;  // GPU of the lease
  CUmemoryPool pool = nullptr;
  // mapped: the handle of cuMemCreate; managed, host: where the worker's block begins; pooled: the pool's id
  uint64_t memory = 0;
  uint64_t buffer_id = 0;
  bool sync_memops = false;
  bool named = false;             // other processes of the lease may open it (cuIpc*)
  bool outlives_context = false;  // a library's managed variable
};

inline bool is_managed(const Allocation& allocation) {
  return allocation.origin == Origin::managed || allocation.origin == Origin::managed_variable;
}

// What cuMemFree and cuMemFreeAsync take.
inline bool is_freed_by_address(const Allocation& allocation) {
  return allocation.origin == Origin::plain || allocation.origin == Origin::pooled ||
         allocation.origin == Origin::graph;
}

void add(Allocation allocation);
// The allocation that begins at the address, taken out of the table.
std::optional<Allocation> remove(uint64_t address);
// The allocation that holds the address.
std::optional<Allocation> find(uint64_t address);
void set_sync_memops(uint64_t address, bool on);
void set_named(uint64_t address);

// Ends memory of which is_freed_by_address() holds, in the order of a stream (by its id) or in none.
void free(const Allocation& allocation, std::optional<uint64_t> stream = std::nullopt);

// True where the address is device memory, or would be: nothing of the host lies in the window.
bool is_device(uint64_t address);

// Throws Failure{INVALID_VALUE} unless all bytes lie in one allocation.
void require_device(uint64_t address, uint64_t size);

}  // namespace shim::memory
