// SPDX-License-Identifier: BSD-3-Clause
// What this process may do with CUDA: before cuInit, after it, and in the child of a fork.
#pragma once

#include <atomic>

#include "shim/cuda_api.h"

namespace shim::process {

enum class State : int {
  fresh,  // cuInit has not succeeded yet
  initialised,
  orphan,  // child of a process that was connected: CUDA cannot be used here, as with any driver
};
inline std::atomic<State> state{State::fresh};

// Why calls must be looked at one by one; without a reason they go straight through.
enum Watched : unsigned {
  traced = 1,
  host_functions = 2,  // there is a thread that must not make any
  news = 4,            // the next call tells it
};
inline std::atomic<unsigned> watched{0};

inline CUresult check() {
  return state.load(std::memory_order_acquire) == State::initialised ? CUDA_SUCCESS
                                                                     : CUDA_ERROR_NOT_INITIALIZED;
}

}  // namespace shim::process
