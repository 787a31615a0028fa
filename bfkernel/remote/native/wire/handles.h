// SPDX-License-Identifier: BSD-3-Clause
// How the two ends name what the driver makes.
//
// The client chooses a 64-bit id for every object, so that it need not wait for the server to create one; the
// worker keeps the table from id to the driver's handle.
#pragma once

#include <cstdint>

namespace wire {

enum class Kind : uint8_t {
  none,
  context,
  stream,
  event,
  module,
  library,
  function,  // of a module, or a kernel of a library: the driver takes a CUkernel wherever it takes a
             // CUfunction
  link,
  memory,  // physical memory of cuMemCreate
  pool,
  graph,
  graph_node,
  graph_exec,
  array,
  mipmapped_array,
  texture,
  surface,
  user_object,    // never travels: the client counts its references itself
  green_context,  // the same id names the context that the driver makes of it
  resource_description,
};

inline constexpr uint64_t kNullHandle = 0;
inline constexpr uint64_t kLegacyStream = 1;
// The per-thread default stream (CUDA's handle 2) never travels: each client thread has a stream of its own
// for it.

// Ids below this one have a fixed meaning; the client counts up from here.
inline constexpr uint64_t kFirstClientId = 4096;

// Functions and kernels are named by the module or library that holds them: index counts from 0 in the order
// of the table that the load returned (LoadReply::kernels), then on by FunctionLookup.
inline constexpr int kEntryIndexBits = 20;
constexpr uint64_t entry_id(uint64_t owner, uint32_t index) {
  return (owner << kEntryIndexBits) | (index + 1);
}
constexpr uint64_t entry_owner(uint64_t entry) { return entry >> kEntryIndexBits; }

}  // namespace wire
