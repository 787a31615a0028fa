// SPDX-License-Identifier: BSD-3-Clause
// Stream capture: what is submitted to a capturing stream becomes nodes of a graph.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "graph_work.h"
#include "stream.h"

namespace softgpu::driver {

class Graph;

struct Tail {
  std::shared_ptr<Node> node;
  CUgraphEdgeData data;
};

struct Capture {
  Capture(CUstreamCaptureMode mode, std::shared_ptr<Graph> graph, bool own_graph);

  const unsigned long long id;
  const CUstreamCaptureMode mode;
  const std::thread::id thread;
  const std::shared_ptr<Graph> graph;
  const bool own_graph;  // made for the capture, rather than named by the program
  bool invalid = false;
  std::vector<std::weak_ptr<Stream>> streams;  // the first is where it began
  std::vector<Tail> left;                      // where streams that are gone ended
};

// A stream's part in a capture: what its next node will depend on.
struct StreamCapture {
  std::shared_ptr<Capture> capture;
  std::vector<Tail> tail;
  // What cuStreamGetCaptureInfo points the program to.
  std::vector<CUgraphNode> shown_nodes;
  std::vector<CUgraphEdgeData> shown_data;
};

// What an event recorded in a capturing stream stands for.
struct CapturedPoint {
  std::shared_ptr<Capture> capture;
  std::vector<Tail> tail;
};

// How many captures are under way in the whole process: usually none, and then nothing else has to be asked.
extern std::atomic<int> captures_under_way;

inline bool capturing(const Stream& stream) { return stream.capturing.load(std::memory_order_relaxed); }

// Adds a node behind what the stream has captured so far. Throws STREAM_CAPTURE_INVALIDATED.
Node& capture(Stream& stream, Work work);
void capture_record(Stream& stream, Event& event);
// The stream waits for the event, of which one or both belong to a capture. False when neither does.
bool capture_wait(const std::shared_ptr<Stream>& stream, const Recording& recording);

// For calls that do not go together with the capture of `stream`: ends it in failure and throws
// STREAM_CAPTURE_UNSUPPORTED; for the legacy stream, STREAM_CAPTURE_IMPLICIT if a stream captures that it
// would wait for.
void refuse_in_capture_of(Context& context, Stream& stream);
inline void not_in_capture_of(Context& context, Stream& stream) {
  if (captures_under_way.load(std::memory_order_relaxed) != 0) refuse_in_capture_of(context, stream);
}
// For calls that wait for all the work of a context.
void refuse_in_capture_in(Context& context);
inline void not_in_capture_in(Context& context) {
  if (captures_under_way.load(std::memory_order_relaxed) != 0) refuse_in_capture_in(context);
}
// For calls that may disturb a capture of any stream: throws STREAM_CAPTURE_UNSAFE where the capture's mode
// and the thread's forbid them.
void refuse_unsafe();
inline void not_in_unsafe_capture() {
  if (captures_under_way.load(std::memory_order_relaxed) != 0) refuse_unsafe();
}
// Ends in failure whatever captures in a stream of a green context.
void refuse_captures_of(const GreenContext& green);
// The stream is going away.
void abandon_capture(Stream& stream);

}  // namespace softgpu::driver
