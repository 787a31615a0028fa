// SPDX-License-Identifier: BSD-3-Clause
// Stream capture. The driver behind the worker captures; here are the rules of the capture modes, which speak
// of the program's threads, and what other calls must know while a capture is in flight.
#pragma once

#include <atomic>

#include "shim/copies.h"
#include "shim/copies_box.h"
#include "shim/cuda_api.h"

namespace shim::capture {

// How many captures this process has begun and not ended.
inline std::atomic<int> captures{0};
inline bool in_flight() { return captures.load(std::memory_order_relaxed) != 0; }

// The rest asks the worker, so it is for when a capture is in flight.

bool is_capturing(CUstream stream);
// For calls that the driver calls potentially unsafe: where the thread may not make them, the capture becomes
// invalid and Failure{STREAM_CAPTURE_UNSUPPORTED} is thrown.
void forbid_unsafe();
inline void check_unsafe() {
  if (in_flight()) [[unlikely]]
    forbid_unsafe();
}

// Where the stream captures, the copy becomes part of the graph and the answer is true.
bool copy(const copies::Box& box, CUstream stream, copies::Order order);

}  // namespace shim::capture
