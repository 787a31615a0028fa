// SPDX-License-Identifier: BSD-3-Clause
// Events: when they were recorded, and what is known of whether they are done. A program that polls one asks
// the worker once; the worker says when the answer has changed.
#pragma once

#include "shim/cuda_api.h"

namespace shim::events {

// From now on others record it as well (a launch, a graph, another process): only the worker can tell.
void note_foreign(CUevent event);

}  // namespace shim::events
