// SPDX-License-Identifier: BSD-3-Clause
// Functions of the program that a stream calls when it reaches them. They are known to the worker by a
// number; it asks for the call over a connection of its own, on which one thread here serves it. So a call of
// the program's that waits for the GPU, in whatever thread, never stands before what the GPU waits for.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "shim/contexts.h"
#include "shim/cuda_api.h"

namespace shim::host_functions {

enum class Lifetime {
  once,  // called once, then forgotten; if a graph captured it the worker says so, and it is kept
  kept,  // until forget(): a node of a graph
};

// The number of a function, for a message to the worker. Opens the connection at the first use: Failure where
// that is not possible.
uint64_t remember(CUhostFn function, void* user, Lifetime lifetime);
uint64_t remember(CUstreamCallback callback, CUstream stream, void* user);
// What a number stands for; nulls for one that stands for nothing.
struct Function {
  CUhostFn function = nullptr;
  void* user = nullptr;
};
Function find(uint64_t token);
// It is not called any more, even where the GPU is still to reach it.
void forget(uint64_t token);

// Before a call during which the worker itself waits for the GPU: waits for it here, while what it waits for
// can be served. Does nothing in a program without host functions.
void settle(ContextObject* context);

// True while a function that was given to a stream may still have to run, and to write what a later copy
// reads.
bool pending();

// The thread that runs host functions, 0 where there is none yet. Signal handlers may ask.
pid_t thread();
// True in the thread that runs host functions: CUDA must not be called there.
bool running_here();

}  // namespace shim::host_functions
