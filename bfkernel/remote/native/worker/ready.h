// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>

#include "worker/session.h"

namespace worker {

// True where waiting for what `query` asks about will not block, now or within a moment. Handing a call to a
// lane and back costs more than that moment, so short work is waited for in place, as long as no other
// thread's frames are waiting.
template <class Query>
bool soon_ready(Session& session, Query query) {
  constexpr auto kMoment = std::chrono::microseconds(20);
  CUresult result = query();
  if (result != CUDA_ERROR_NOT_READY) return result != CUDA_ERROR_NOT_SUPPORTED;
  const auto end = std::chrono::steady_clock::now() + kMoment;
  while (!session.more_to_do() && std::chrono::steady_clock::now() < end) {
    if (query() != CUDA_ERROR_NOT_READY) return true;
  }
  return false;
}

}  // namespace worker
