// SPDX-License-Identifier: BSD-3-Clause
// What the latest answer of the worker's proves: the stream that it waited for has nothing left to do. While
// this process sends nothing more, there is nothing to ask for again. So a copy to the host and then a
// synchronisation, as eager frameworks do for each number that a program looks at, is one round trip.
#pragma once

#include <cstdint>

#include "shim/contexts.h"
#include "shim/cuda_api.h"

namespace shim::drained {

// One stream of a context, or all of them.
struct Work {
  const ContextObject* context = nullptr;
  bool all = true;
  uint64_t stream = 0;
  bool holds(const Work& other) const {
    return context == other.context && (all || (!other.all && stream == other.stream));
  }
};
// The stream as the calling thread means it. Throws Failure for a handle that is none.
Work of(CUstream stream);

// The request with this number waited for the work, and had no error.
void note(const Work& work, uint64_t sequence);

// True where the work is over and the worker has nothing to say of it that it did not say already. False is
// always right. Throws Failure where there is no connection any more.
bool known(const Work& work);

}  // namespace shim::drained
