// SPDX-License-Identifier: BSD-3-Clause
#include "shim/capture.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "shim/api.h"
#include "shim/graph_nodes.h"
#include "shim/graphs.h"
#include "shim/request.h"

namespace shim::capture {
namespace {

struct Capture {
  uint64_t stream = 0;  // where it began
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  pid_t thread = 0;
};

std::mutex& mutex = *new std::mutex;
std::vector<Capture>& all = *new std::vector<Capture>;

CUstreamCaptureStatus status_of(uint64_t stream) {
  return static_cast<CUstreamCaptureStatus>(
      call(wire::CaptureStatus{stream}, Context::any, Deferred::keep).status);
}

void add(const Capture& capture) {
  const std::lock_guard lock(mutex);
  all.push_back(capture);
  captures = static_cast<int>(all.size());
}

void remove(uint64_t stream) {
  const std::lock_guard lock(mutex);
  std::erase_if(all, [stream](const Capture& capture) { return capture.stream == stream; });
  captures = static_cast<int>(all.size());
}

std::vector<Capture> snapshot() {
  const std::lock_guard lock(mutex);
  return all;
}

// Whether this thread, in its mode, may make unsafe calls beside that capture.
bool forbids(const Capture& capture, CUstreamCaptureMode mine) {
  if (capture.mode == CU_STREAM_CAPTURE_MODE_RELAXED || mine == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
  if (capture.thread == gettid()) return true;
  return mine == CU_STREAM_CAPTURE_MODE_GLOBAL && capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
}

// A stream that was destroyed while it captured has ended its capture.
bool still_captures(const Capture& capture) {
  try {
    if (status_of(capture.stream) != CU_STREAM_CAPTURE_STATUS_NONE) return true;
  } catch (const Failure&) {
    // The worker does not know the stream any more.
  }
  remove(capture.stream);
  return false;
}

void begin(CUstream stream, CUgraph graph, const std::vector<wire::Dependency>& dependencies,
           CUstreamCaptureMode mode) {
  require(mode >= CU_STREAM_CAPTURE_MODE_GLOBAL && mode <= CU_STREAM_CAPTURE_MODE_RELAXED,
          CUDA_ERROR_INVALID_VALUE);
  const uint64_t id = id_of(stream);
  const wire::CaptureBegin message{id, graph ? id_of(graph) : 0, dependencies};
  CUresult result = CUDA_ERROR_NOT_READY;  // while the worker waits for the GPU on its own behalf
  while (result == CUDA_ERROR_NOT_READY) {
    Request request(Opcode::CaptureBegin, Context::any);
    request.in_context(context_of(stream));
    request.fields(message);
    Pending pending;
    result = request.wait(pending);
  }
  require(result == CUDA_SUCCESS, result);
  report_deferred();
  add({id, mode, gettid()});
}

void check_thread(uint64_t stream) {
  for (const Capture& capture : snapshot()) {
    if (capture.stream != stream) continue;
    require(capture.mode == CU_STREAM_CAPTURE_MODE_RELAXED || capture.thread == gettid(),
            CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  }
}

wire::CaptureInfo::Reply info_of(CUstream stream) {
  const uint64_t id = id_of(stream);
  if (!in_flight()) return {};
  return call(wire::CaptureInfo{id}, Context::any, Deferred::keep);
}

// The lists that capture info returns stay valid until the thread asks again.
struct Told {
  std::vector<CUgraphNode> nodes;
  std::vector<CUgraphEdgeData> edges;
};
thread_local Told told;

}  // namespace

bool is_capturing(CUstream stream) {
  const CUstreamCaptureStatus status = status_of(id_of(stream));
  require(status != CU_STREAM_CAPTURE_STATUS_INVALIDATED, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  return status == CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

void forbid_unsafe() {
  const CUstreamCaptureMode mine = thread_state().capture_mode;
  bool forbidden = false;
  for (const Capture& capture : snapshot()) {
    if (!forbids(capture, mine) || !still_captures(capture)) continue;
    post(wire::CaptureInvalidate{capture.stream});
    forbidden = true;
  }
  require(!forbidden, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

bool copy(const copies::Box& box, CUstream stream, copies::Order order) {
  if (order == copies::Order::sync) {
    forbid_unsafe();
    return false;
  }
  if (!is_capturing(stream)) return false;
  const graph_nodes::CopySlots slots(box);
  Request request(Opcode::CaptureCopy, Context::any);
  request.in_context(context_of(stream));
  request.fields(wire::CaptureCopy{id_of(stream), slots.node()});
  request.wait();
  slots.keep();
  return true;
}

}  // namespace shim::capture

namespace shim::api {

using capture::info_of;

CUresult cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode) {
  capture::begin(hStream, nullptr, {}, mode);
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture(CUstream hStream) {
  return api::cuStreamBeginCapture_v2(hStream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph, const CUgraphNode* dependencies,
                                     const CUgraphEdgeData* dependencyData, size_t numDependencies,
                                     CUstreamCaptureMode mode) {
  object_of(hGraph);
  capture::begin(hStream, hGraph, graphs::dependencies(dependencies, dependencyData, numDependencies), mode);
  return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream hStream, CUgraph* phGraph) {
  require(phGraph);
  *phGraph = nullptr;
  const uint64_t id = id_of(hStream);
  capture::check_thread(id);
  Request request(Opcode::CaptureEnd, Context::any);
  request.in_context(context_of(hStream));
  request.fields(wire::CaptureEnd{id});
  Pending pending;
  const CUresult result = request.wait(pending);
  // A stream that joined the capture cannot end it, nor a thread that is not the one that began it.
  const bool goes_on =
      result == CUDA_ERROR_STREAM_CAPTURE_UNMATCHED || result == CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  if (!goes_on) capture::remove(id);
  require(result == CUDA_SUCCESS, result);
  wire::Decoder in(pending.payload);
  *phGraph = graphs::graph_handle(in.take<wire::CaptureEnd::Reply>().graph, nullptr);
  return CUDA_SUCCESS;
}

CUresult cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus* captureStatus) {
  require(captureStatus);
  const uint64_t id = id_of(hStream);
  *captureStatus = capture::in_flight() ? capture::status_of(id) : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCaptureInfo(CUstream hStream, CUstreamCaptureStatus* captureStatus_out,
                                cuuint64_t* id_out) {
  return api::cuStreamGetCaptureInfo_v2(hStream, captureStatus_out, id_out, nullptr, nullptr, nullptr);
}

CUresult cuStreamGetCaptureInfo_v2(CUstream hStream, CUstreamCaptureStatus* captureStatus_out,
                                   cuuint64_t* id_out, CUgraph* graph_out,
                                   const CUgraphNode** dependencies_out, size_t* numDependencies_out) {
  return api::cuStreamGetCaptureInfo_v3(hStream, captureStatus_out, id_out, graph_out, dependencies_out,
                                        nullptr, numDependencies_out);
}

CUresult cuStreamGetCaptureInfo_v3(CUstream hStream, CUstreamCaptureStatus* captureStatus_out,
                                   cuuint64_t* id_out, CUgraph* graph_out,
                                   const CUgraphNode** dependencies_out, const CUgraphEdgeData** edgeData_out,
                                   size_t* numDependencies_out) {
  require(captureStatus_out);
  const auto info = info_of(hStream);
  *captureStatus_out = static_cast<CUstreamCaptureStatus>(info.status);
  const CUgraph graph = graphs::graph_handle(info.graph, nullptr);
  if (id_out) *id_out = info.id;
  if (graph_out) *graph_out = graph;
  auto& [nodes, edges] = capture::told;
  nodes.clear();
  edges.clear();
  for (const wire::Dependency& dependency : info.dependencies) {
    nodes.push_back(graphs::node_handle(dependency.node, object_of(graph)));
    edges.push_back(graphs::from_wire(dependency.edge));
  }
  if (dependencies_out) *dependencies_out = nodes.empty() ? nullptr : nodes.data();
  if (edgeData_out) *edgeData_out = edges.empty() ? nullptr : edges.data();
  if (numDependencies_out) *numDependencies_out = nodes.size();
  return CUDA_SUCCESS;
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream hStream, CUgraphNode* dependencies,
                                              const CUgraphEdgeData* dependencyData, size_t numDependencies,
                                              unsigned int flags) {
  Request request(Opcode::CaptureDependencies, Context::any);
  request.in_context(context_of(hStream));
  request.fields(wire::CaptureDependencies{
      id_of(hStream), flags, graphs::dependencies(dependencies, dependencyData, numDependencies)});
  request.wait();
  return CUDA_SUCCESS;
}

CUresult cuStreamUpdateCaptureDependencies(CUstream hStream, CUgraphNode* dependencies,
                                           size_t numDependencies, unsigned int flags) {
  return api::cuStreamUpdateCaptureDependencies_v2(hStream, dependencies, nullptr, numDependencies, flags);
}

}  // namespace shim::api
