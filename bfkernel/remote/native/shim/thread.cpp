// SPDX-License-Identifier: BSD-3-Clause
#include "shim/thread.h"

#include "shim/contexts.h"
#include "shim/process.h"
#include "shim/request.h"

namespace shim {

ThreadState& thread_state() {
  thread_local ThreadState state;
  return state;
}

ThreadState::~ThreadState() {
  if (process::check() != CUDA_SUCCESS || !connected()) return;
  for (const auto& [context, stream] : default_streams) {
    try {
      if (!contexts::usable(context)) continue;
      Request request(Opcode::cuStreamDestroy_v2, Context::any);
      request.in_context(context);
      request.handle(stream);
      request.post();
      release(stream);
    } catch (const Failure&) {
      return;  // the connection has ended, and the stream with it
    }
  }
}

}  // namespace shim
