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

// Set where calls must be looked at one by one: they are traced, or there is a thread that must not make any.
inline std::atomic<bool> watched{false};

inline CUresult check() {
  return state.load(std::memory_order_acquire) == State::initialised ? CUDA_SUCCESS
                                                                     : CUDA_ERROR_NOT_INITIALIZED;
}

}  // namespace shim::process
