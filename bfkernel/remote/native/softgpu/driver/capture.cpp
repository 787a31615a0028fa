// SPDX-License-Identifier: BSD-3-Clause
#include "capture.h"

#include <algorithm>

#include "capture_state.h"
#include "graph.h"

namespace softgpu::driver {

std::atomic<int> captures_under_way{0};

namespace {

std::atomic<unsigned long long> next_capture_id{1};
thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

// All captures under way; guarded by graphs_mutex.
std::vector<std::shared_ptr<Capture>>& active() {
  static auto* captures = new std::vector<std::shared_ptr<Capture>>;
  return *captures;
}

bool under_way(const Capture& capture) {
  return std::any_of(active().begin(), active().end(),
                     [&](const auto& candidate) { return candidate.get() == &capture; });
}

template <typename Visit>
void for_each_stream(const Capture& capture, Visit&& visit) {
  for (const auto& weak : capture.streams) {
    if (auto stream = weak.lock()) visit(*stream);
  }
}

void add_to(std::vector<Tail>& tail, const std::vector<Tail>& more) {
  for (const Tail& entry : more) {
    bool known =
        std::any_of(tail.begin(), tail.end(), [&](const Tail& old) { return old.node == entry.node; });
    if (!known) tail.push_back(entry);
  }
}

void join(const std::shared_ptr<Stream>& stream, const std::shared_ptr<Capture>& capture,
          std::vector<Tail> tail) {
  stream->capture = std::make_shared<StreamCapture>();
  stream->capture->capture = capture;
  stream->capture->tail = std::move(tail);
  stream->capturing = true;
  capture->streams.push_back(stream);
}

// Whether everything captured in the other streams comes before the end of the first.
bool joined(const Capture& capture) {
  std::shared_ptr<Stream> origin = capture.streams.front().lock();
  const std::vector<Tail>& end = origin->capture->tail;
  auto before_end = [&](const Tail& tail) {
    return std::any_of(end.begin(), end.end(), [&](const Tail& last) {
      return last.node == tail.node || last.node->depends_on(*tail.node);
    });
  };
  bool all = std::all_of(capture.left.begin(), capture.left.end(), before_end);
  for_each_stream(capture, [&](Stream& stream) {
    const std::vector<Tail>& tail = stream.capture->tail;
    all &= std::all_of(tail.begin(), tail.end(), before_end);
  });
  return all;
}

void finish(Capture& capture) {
  for_each_stream(capture, [](Stream& stream) {
    stream.capturing = false;
    stream.capture.reset();
  });
  capture.graph->capturing = false;
  std::erase_if(active(), [&](const auto& candidate) { return candidate.get() == &capture; });
  --captures_under_way;
}

bool forbids_unsafe(const Capture& capture) {
  if (thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
  if (capture.thread == std::this_thread::get_id()) return capture.mode != CU_STREAM_CAPTURE_MODE_RELAXED;
  return thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL && capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
}

// The capture of a stream that the context's legacy stream would wait for.
Capture* implicit_capture(const Context& context) {
  for (const auto& capture : active()) {
    bool blocking = false;
    for_each_stream(*capture, [&](Stream& stream) {
      blocking |= stream.blocking() && stream.context.lock().get() == &context;
    });
    if (blocking) return capture.get();
  }
  return nullptr;
}

}  // namespace

Capture::Capture(CUstreamCaptureMode mode, std::shared_ptr<Graph> graph, bool own_graph)
    : id(next_capture_id.fetch_add(1)),
      mode(mode),
      thread(std::this_thread::get_id()),
      graph(std::move(graph)),
      own_graph(own_graph) {}

CUstreamCaptureMode exchange_thread_mode(CUstreamCaptureMode mode) {
  return std::exchange(thread_mode, mode);
}

void begin_capture(const std::shared_ptr<Stream>& stream, CUstreamCaptureMode mode,
                   std::shared_ptr<Graph> graph, std::vector<Tail> tail) {
  bool own = graph == nullptr;
  if (own) graph = Graph::create(GraphOwner::program);
  graph->capturing = true;
  auto capture = std::make_shared<Capture>(mode, std::move(graph), own);
  join(stream, capture, std::move(tail));
  active().push_back(std::move(capture));
  ++captures_under_way;
}

CUresult end_capture(Stream& stream, CUgraph* graph) {
  require(capturing(stream), CUDA_ERROR_ILLEGAL_STATE);
  std::shared_ptr<Capture> capture = stream.capture->capture;
  require(capture->streams.front().lock().get() == &stream, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
  bool right_thread =
      capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED || capture->thread == std::this_thread::get_id();
  require(right_thread, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  CUresult result = CUDA_SUCCESS;
  if (capture->invalid) {
    result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  } else if (!joined(*capture)) {
    result = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  finish(*capture);
  if (result != CUDA_SUCCESS && capture->own_graph) retire(*capture->graph);
  if (graph) *graph = result == CUDA_SUCCESS ? capture->graph->handle() : nullptr;
  return result;
}

Node& capture(Stream& stream, Work work) {
  std::lock_guard lock(graphs_mutex());
  require(stream.capture != nullptr, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  StreamCapture& part = *stream.capture;
  require(!part.capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  std::vector<Edge> edges;
  for (const Tail& tail : part.tail) edges.push_back({tail.node.get(), tail.data});
  Node& node = part.capture->graph->add(std::move(work), edges);
  part.tail = {{node_of(node.handle()), {}}};
  return node;
}

void capture_record(Stream& stream, Event& event) {
  std::lock_guard lock(graphs_mutex());
  require(stream.capture != nullptr, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  StreamCapture& part = *stream.capture;
  require(!part.capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  auto recording = std::make_shared<Recording>();
  recording->captured = std::make_shared<CapturedPoint>(CapturedPoint{part.capture, part.tail});
  event.set(std::move(recording));
}

bool capture_wait(const std::shared_ptr<Stream>& stream, const Recording& recording) {
  if (!recording.captured && !capturing(*stream)) return false;
  std::lock_guard lock(graphs_mutex());
  std::shared_ptr<Capture> own = stream->capture ? stream->capture->capture : nullptr;
  if (!recording.captured) {
    if (own) own->invalid = true;  // the graph cannot depend on work outside of it
    fail(CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  }
  std::shared_ptr<Capture> other = recording.captured->capture;
  require(under_way(*other), CUDA_ERROR_CAPTURED_EVENT);
  require(!other->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  if (own && own != other) {
    own->invalid = other->invalid = true;
    fail(CUDA_ERROR_STREAM_CAPTURE_MERGE);
  }
  if (own) {
    add_to(stream->capture->tail, recording.captured->tail);
    return true;
  }
  if (stream == owner(*stream)->legacy_stream()) {
    other->invalid = true;
    fail(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  }
  join(stream, other, recording.captured->tail);
  return true;
}

void refuse_in_capture_of(Context& context, Stream& stream) {
  std::lock_guard lock(graphs_mutex());
  if (stream.capture) {
    stream.capture->capture->invalid = true;
    fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  }
  if (&stream != context.legacy_stream().get()) return;
  if (Capture* capture = implicit_capture(context)) {
    capture->invalid = true;
    fail(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  }
}

void ask_in_capture_of(Context& context, Stream& stream) {
  bool implicit = &stream == context.legacy_stream().get() && implicit_capture(context) != nullptr;
  require(!implicit, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
}

void refuse_in_capture_in(Context& context) {
  std::lock_guard lock(graphs_mutex());
  bool refused = false;
  for (const auto& capture : active()) {
    for_each_stream(*capture, [&](Stream& stream) {
      if (stream.context.lock().get() != &context) return;
      capture->invalid = true;
      refused = true;
    });
  }
  require(!refused, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

void refuse_unsafe() {
  std::lock_guard lock(graphs_mutex());
  bool refused = false;
  for (const auto& capture : active()) {
    if (!forbids_unsafe(*capture)) continue;
    capture->invalid = true;
    refused = true;
  }
  require(!refused, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

void refuse_captures_of(const GreenContext& green) {
  std::lock_guard lock(graphs_mutex());
  for (const auto& capture : active())
    for_each_stream(*capture, [&](Stream& stream) { capture->invalid |= stream.green.get() == &green; });
}

void abandon_capture(Stream& stream) {
  if (!capturing(stream)) return;
  std::lock_guard lock(graphs_mutex());
  if (!stream.capture) return;
  std::shared_ptr<Capture> capture = stream.capture->capture;
  if (capture->streams.front().lock().get() != &stream) {
    for (Tail& tail : stream.capture->tail) capture->left.push_back(std::move(tail));
    std::erase_if(capture->streams, [&](const auto& weak) { return weak.lock().get() == &stream; });
    stream.capturing = false;
    stream.capture.reset();
    return;
  }
  finish(*capture);
  if (capture->own_graph) retire(*capture->graph);
}

}  // namespace softgpu::driver
