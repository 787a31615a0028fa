// SPDX-License-Identifier: BSD-3-Clause
// Contexts: the stack of each thread, the primary context of each device.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "shim/handles.h"

namespace shim {

// What a launch is checked against, so that a bad one fails at once as it does natively.
struct LaunchLimits {
  std::array<uint32_t, 3> grid;
  std::array<uint32_t, 3> block;
  uint32_t threads;
  uint32_t registers;
};

struct ContextObject : Object {
  int device = 0;  // GPU of the lease
  CUdevice visible_device = 0;
  bool primary = false;
  CUgreenCtx green = nullptr;  // of which it is the context; null: an ordinary one
  ContextObject* home =
      nullptr;  // itself; of a green context the primary one, to which all but streams belong
  unsigned flags = 0;
  int retains = 0;                            // of a primary context; of others the attach count
  std::atomic<bool> live{false};              // the worker has it
  std::atomic<unsigned> ends{0};              // how often it has ended: a primary context lives again
  std::atomic<CUresult> fault{CUDA_SUCCESS};  // what broke the context: from then on all it answers
  LaunchLimits limits{};
  Watch watch;  // of its default stream
};

namespace contexts {

// The calling thread's current context, or Failure{INVALID_CONTEXT}.
ContextObject* current();
// The same, but of a green context the primary one: to which memory and all but streams belongs.
ContextObject* home();

// Throws Failure: for no context, one that has ended, or one that a kernel broke.
void require_usable(const ContextObject* context);
// Remembers an error that breaks the context it happened in; others are forgotten.
void note_fault(ContextObject* context, CUresult error);
bool usable(const ContextObject* context);
uint64_t wire_id(const ContextObject* context);

// The primary context of a device. It exists as a handle before anybody has retained it.
ContextObject* primary(CUdevice device);

// All that the worker has.
std::vector<ContextObject*> all_usable();

// A context that the worker has: from now on it can be used.
void bring_alive(ContextObject* context);
// One whose handle nobody has yet. Context objects are not reused: a thread may hold one in its stack long
// after another thread destroyed it.
ContextObject* make(CUdevice device);
// It has ended, or is about to.
void end(ContextObject* context);

void set_current(ContextObject* context);

// Called, with the context, when one is about to end: whoever keeps something for a context lets go of it.
void on_end(std::function<void(ContextObject*)> action);

}  // namespace contexts
}  // namespace shim
