// SPDX-License-Identifier: BSD-3-Clause
// What answers of the worker's prove: a stream that one waited for has nothing left to do of what it was
// given before. While this process sends nothing more, there is nothing to ask for again. So a copy to the
// host and then a synchronisation, as eager frameworks do for each number that a program looks at, is one
// round trip.
#pragma once

#include <cstdint>

#include "shim/cuda_api.h"
#include "shim/watch.h"

namespace shim::drained {

using shim::Work;

// The stream as the calling thread means it. Throws Failure for a handle that is none.
Work of(CUstream stream);

// The request with this number waited for the work, and had no error.
void note(const Work& work, uint64_t sequence);
// What the work was given before this request is over. Later requests may have given it more.
void note_through(const Work& work, uint64_t sequence);

// True where the work is over and the worker has nothing to say of it that it did not say already. False is
// always right. Throws Failure where there is no connection any more.
bool known(const Work& work);
// True where what this request gave to the work is over. False is always right.
bool covers(const Work& work, uint64_t sequence);

}  // namespace shim::drained
