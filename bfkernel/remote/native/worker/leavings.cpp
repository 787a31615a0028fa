// SPDX-License-Identifier: BSD-3-Clause
#include "worker/leavings.h"

#include "worker/session.h"

namespace worker {

void Leavings::add(const Context& context, CUstream stream) {
  CUevent done = context.events->take();
  // It fails for a stream of a green context that is gone.
  if (call(driver_.cuEventRecord, done, stream) != CUDA_SUCCESS) return context.events->give(done);
  const std::lock_guard lock(mutex_);
  leavings_.push_back({done, context.events, context.home});
}

bool Leavings::any() {
  const std::lock_guard lock(mutex_);
  std::erase_if(leavings_, [this](const Leaving& leaving) {
    if (call(driver_.cuEventQuery, leaving.done) == CUDA_ERROR_NOT_READY) return false;
    leaving.events->give(leaving.done);
    return true;
  });
  return !leavings_.empty();
}

void Leavings::end_context(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(leavings_, [id](const Leaving& leaving) { return leaving.context == id; });
}

}  // namespace worker
