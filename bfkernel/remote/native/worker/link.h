// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <list>
#include <mutex>

#include "wire/code_messages.h"
#include "worker/jit.h"

namespace worker {

// A link in progress. The driver writes to its logs until it is destroyed.
struct Link {
  explicit Link(const wire::JitOptions& options) : jit(options) {}
  std::mutex mutex;  // the client's threads may use one link, and linking happens on lanes
  Jit jit;
  std::list<Jit> inputs;
  CUlinkState state = nullptr;
};

}  // namespace worker
