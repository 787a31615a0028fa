// SPDX-License-Identifier: BSD-3-Clause
// Stream capture's entry points.
#include "capture_state.h"
#include "current.h"
#include "graph.h"

using namespace softgpu::driver;

namespace {

template <typename Body>
CUresult with_capture_of(CUstream handle, Body&& body) {
  return with_context([&](Context& context) {
    std::lock_guard lock(graphs_mutex());
    std::shared_ptr<Stream> stream = resolve_stream(context, handle);
    return body(*owner(*stream), stream);
  });
}

void begin(Context& context, const std::shared_ptr<Stream>& stream, CUstreamCaptureMode mode,
           std::shared_ptr<Graph> graph, std::vector<Tail> tail) {
  require(mode >= CU_STREAM_CAPTURE_MODE_GLOBAL && mode <= CU_STREAM_CAPTURE_MODE_RELAXED);
  require(stream != context.legacy_stream(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  require(!capturing(*stream), CUDA_ERROR_ILLEGAL_STATE);
  begin_capture(stream, mode, std::move(graph), std::move(tail));
}

std::vector<Tail> tail_of(const Graph& graph, const CUgraphNode* nodes, const CUgraphEdgeData* data,
                          size_t count) {
  std::vector<Tail> tail;
  for (const Edge& edge : edges_of(graph, nodes, data, count))
    tail.push_back({node_of(edge.from->handle()), edge.data});
  return tail;
}

struct CaptureInfo {
  CUstreamCaptureStatus* status;
  cuuint64_t* id;
  CUgraph* graph;
  const CUgraphNode** nodes;
  const CUgraphEdgeData** data;
  size_t* count;
};

CUresult get_info(CUstream handle, const CaptureInfo& info, bool edges_shown) {
  return with_capture_of(handle, [&](Context& context, const std::shared_ptr<Stream>& stream) {
    require(info.status != nullptr);
    ask_in_capture_of(context, *stream);
    *info.status = CU_STREAM_CAPTURE_STATUS_NONE;
    if (!stream->capture) return;
    StreamCapture& part = *stream->capture;
    *info.status =
        part.capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    if (part.capture->invalid) return;
    part.shown_nodes.clear();
    part.shown_data.clear();
    for (const Tail& tail : part.tail) {
      bool plain = !tail.data.from_port && !tail.data.to_port && !tail.data.type;
      require(plain || edges_shown, CUDA_ERROR_LOSSY_QUERY);
      part.shown_nodes.push_back(tail.node->handle());
      part.shown_data.push_back(tail.data);
    }
    if (info.id) *info.id = part.capture->id;
    if (info.graph) *info.graph = part.capture->graph->handle();
    if (info.nodes) *info.nodes = part.shown_nodes.data();
    if (info.data) *info.data = part.shown_data.data();
    if (info.count) *info.count = part.shown_nodes.size();
  });
}

}  // namespace

SOFTGPU_API cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode) {
  return with_capture_of(hStream, [&](Context& context, const std::shared_ptr<Stream>& stream) {
    begin(context, stream, mode, nullptr, {});
  });
}

SOFTGPU_API cuStreamBeginCapture(CUstream hStream) {
  return cuStreamBeginCapture_v2(hStream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

SOFTGPU_API cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph, const CUgraphNode* dependencies,
                                        const CUgraphEdgeData* dependencyData, size_t numDependencies,
                                        CUstreamCaptureMode mode) {
  return with_capture_of(hStream, [&](Context& context, const std::shared_ptr<Stream>& stream) {
    std::shared_ptr<Graph> graph = graph_of(hGraph);
    require(!graph->capturing, CUDA_ERROR_ILLEGAL_STATE);
    std::vector<Tail> tail = tail_of(*graph, dependencies, dependencyData, numDependencies);
    begin(context, stream, mode, std::move(graph), std::move(tail));
  });
}

SOFTGPU_API cuStreamEndCapture(CUstream hStream, CUgraph* phGraph) {
  return with_capture_of(hStream, [&](Context&, const std::shared_ptr<Stream>& stream) {
    if (phGraph) *phGraph = nullptr;
    return end_capture(*stream, phGraph);
  });
}

SOFTGPU_API cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus* captureStatus) {
  return get_info(hStream, {captureStatus, nullptr, nullptr, nullptr, nullptr, nullptr}, true);
}

SOFTGPU_API cuStreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus* captureStatus_out,
                                   cuuint64_t* id_out) {
  return get_info(hStream, {captureStatus_out, id_out, nullptr, nullptr, nullptr, nullptr}, true);
}

SOFTGPU_API cuStreamGetCaptureInfo_v2(CUstream hStream, CUstreamCaptureStatus* captureStatus_out,
                                      cuuint64_t* id_out, CUgraph* graph_out,
                                      const CUgraphNode** dependencies_out, size_t* numDependencies_out) {
  return get_info(
      hStream, {captureStatus_out, id_out, graph_out, dependencies_out, nullptr, numDependencies_out}, false);
}

SOFTGPU_API cuStreamGetCaptureInfo_v3(CUstream hStream, CUstreamCaptureStatus* captureStatus_out,
                                      cuuint64_t* id_out, CUgraph* graph_out,
                                      const CUgraphNode** dependencies_out,
                                      const CUgraphEdgeData** edgeData_out, size_t* numDependencies_out) {
  return get_info(hStream,
                  {captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out, numDependencies_out},
                  edgeData_out != nullptr);
}

SOFTGPU_API cuStreamUpdateCaptureDependencies_v2(CUstream hStream, CUgraphNode* dependencies,
                                                 const CUgraphEdgeData* dependencyData,
                                                 size_t numDependencies, unsigned int flags) {
  return with_capture_of(hStream, [&](Context&, const std::shared_ptr<Stream>& stream) {
    require(flags == CU_STREAM_ADD_CAPTURE_DEPENDENCIES || flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES);
    require(stream->capture != nullptr, CUDA_ERROR_ILLEGAL_STATE);
    StreamCapture& part = *stream->capture;
    require(!part.capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    std::vector<Tail> more = tail_of(*part.capture->graph, dependencies, dependencyData, numDependencies);
    if (flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES) part.tail.clear();
    for (Tail& tail : more) {
      std::erase_if(part.tail, [&](const Tail& old) { return old.node == tail.node; });
      part.tail.push_back(std::move(tail));
    }
  });
}

SOFTGPU_API cuStreamUpdateCaptureDependencies(CUstream hStream, CUgraphNode* dependencies,
                                              size_t numDependencies, unsigned int flags) {
  return cuStreamUpdateCaptureDependencies_v2(hStream, dependencies, nullptr, numDependencies, flags);
}

SOFTGPU_API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  return with_driver([&](Driver&) {
    require(mode != nullptr && *mode >= CU_STREAM_CAPTURE_MODE_GLOBAL &&
            *mode <= CU_STREAM_CAPTURE_MODE_RELAXED);
    *mode = exchange_thread_mode(*mode);
  });
}
