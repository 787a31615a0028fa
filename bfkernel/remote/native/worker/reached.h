// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "worker/session.h"

namespace worker {

// Calls `done` when the stream has reached the point where it is now, with that wait's result and after what
// the device printed was passed on: at once where that is soon, else on a lane. With the driver's error,
// at once, where the point cannot be marked. `done` answers the request.
void when_reached(Session& session, const wire::FrameHeader& request, CUstream stream,
                  std::function<void(CUresult)> done);

}  // namespace worker
