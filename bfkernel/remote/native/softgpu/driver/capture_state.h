// SPDX-License-Identifier: BSD-3-Clause
// Beginning and ending captures. All are called with graphs_mutex held.
#pragma once

#include "capture.h"

namespace softgpu::driver {

// Into a graph of its own when `graph` is null. The stream is not capturing.
void begin_capture(const std::shared_ptr<Stream>& stream, CUstreamCaptureMode mode,
                   std::shared_ptr<Graph> graph, std::vector<Tail> tail);
CUresult end_capture(Stream& stream, CUgraph* graph);
// Sets the calling thread's mode and returns the one before.
CUstreamCaptureMode exchange_thread_mode(CUstreamCaptureMode mode);
// Throws STREAM_CAPTURE_IMPLICIT when one asks for the legacy stream what only its blocking streams can tell.
void ask_in_capture_of(Context& context, Stream& stream);

}  // namespace softgpu::driver
