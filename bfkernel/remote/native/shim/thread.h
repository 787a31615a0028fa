// SPDX-License-Identifier: BSD-3-Clause
// What the driver API keeps for each thread.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "shim/cuda_api.h"

namespace shim {

struct ContextObject;

struct ThreadState {
  std::vector<ContextObject*> contexts;  // the stack; the last is current
  CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  struct DefaultStream {
    CUstream stream = nullptr;
    unsigned ends = 0;  // the context's, when the stream was made
  };
  std::map<ContextObject*, DefaultStream> default_streams;  // this thread's in each context
  std::vector<std::byte> scratch;                           // the next request is built here
  std::vector<std::byte> params;                            // packed kernel parameters
  ~ThreadState();                                           // gives the default streams back
};

inline thread_local ThreadState* current_thread_state [[gnu::tls_model("initial-exec")]] = nullptr;

ThreadState& make_thread_state();

inline ThreadState& thread_state() {
  return current_thread_state ? *current_thread_state : make_thread_state();
}

// Set while a per-thread form (_ptds, _ptsz) runs: the null stream then means the thread's own.
inline thread_local bool per_thread_default [[gnu::tls_model("initial-exec")]] = false;

struct PerThreadScope {
  const bool before = per_thread_default;
  PerThreadScope() { per_thread_default = true; }
  ~PerThreadScope() { per_thread_default = before; }
};

}  // namespace shim
