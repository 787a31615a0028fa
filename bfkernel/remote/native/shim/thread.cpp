// SPDX-License-Identifier: BSD-3-Clause
#include "shim/thread.h"

#include <unistd.h>

#include "shim/contexts.h"
#include "shim/process.h"
#include "shim/request.h"

namespace shim {

namespace {

// The main thread keeps its state to the very end: runtimes still call while the process's static objects go.
struct Reaper {
  ~Reaper() {
    if (gettid() == getpid()) return;
    delete current_thread_state;
    current_thread_state = nullptr;
  }
};

}  // namespace

ThreadState& make_thread_state() {
  static thread_local Reaper reaper;
  [[maybe_unused]] const Reaper* alive = &reaper;
  current_thread_state = new ThreadState;
  return *current_thread_state;
}

ThreadState::~ThreadState() {
  if (process::check() != CUDA_SUCCESS || !connected()) return;
  for (const auto& [context, own] : default_streams) {
    const auto [stream, ends] = own;
    try {
      if (ends != context->ends) release(stream);  // it ended with the context
      if (ends != context->ends || !contexts::usable(context->home)) continue;
      Request request(Opcode::cuStreamDestroy_v2, Context::any);
      request.in_context(context->home);
      request.fields(object_of(stream)->id);
      request.post();
      release(stream);
    } catch (const Failure&) {
      return;  // the connection has ended, and the stream with it
    }
  }
}

}  // namespace shim
