// SPDX-License-Identifier: BSD-3-Clause
// Stream capture. The driver captures in relaxed mode, in which nothing that the worker does for itself
// (events, memory) disturbs it; the modes' rules are about the client's threads and are kept there.
#include "worker/graph_params.h"
#include "worker/graph_shape.h"

namespace worker {
namespace {

CUstream stream_of(Session& session, std::uint64_t id) {
  return session.handle<CUstream>(wire::Kind::stream, id);
}

struct State {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  cuuint64_t id = 0;
  CUgraph graph = nullptr;
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* edges = nullptr;
  std::size_t count = 0;
};

CUresult ask(const DriverTable& driver, CUstream stream, State& state) {
  if (driver.cuStreamGetCaptureInfo_v3 != nullptr)
    return call(driver.cuStreamGetCaptureInfo_v3, stream, &state.status, &state.id, &state.graph,
                &state.nodes, &state.edges, &state.count);
  return call(driver.cuStreamGetCaptureInfo_v2, stream, &state.status, &state.id, &state.graph, &state.nodes,
              &state.count);
}

// The graph that the stream captures into now. Throws CudaError where it captures nothing.
std::uint64_t graph_captured(Session& session, CUstream stream) {
  const std::uint64_t graph = session.graphs().captured_by(stream);
  if (graph == 0) throw CudaError{CUDA_ERROR_ILLEGAL_STATE};
  return graph;
}

CUresult begin_now(Session& session, const wire::CaptureBegin& message) {
  Graphs& graphs = session.graphs();
  const CUstream stream = stream_of(session, message.stream);
  const DriverTable& driver = session.driver();
  session.current().uploads->seal();
  if (message.graph == 0) {
    const CUresult result = call(driver.cuStreamBeginCapture_v2, stream, CU_STREAM_CAPTURE_MODE_RELAXED);
    if (result == CUDA_SUCCESS) graphs.begin_capture(message.stream, graphs.captured_by(stream), false);
    return result;
  }
  const Dependencies on(session, message.dependencies);
  const CUresult result = call(driver.cuStreamBeginCaptureToGraph, stream, graphs.graph(message.graph).handle,
                               static_cast<const CUgraphNode*>(on.nodes()), on.edges(), on.count(),
                               CU_STREAM_CAPTURE_MODE_RELAXED);
  if (result == CUDA_SUCCESS) graphs.begin_capture(message.stream, message.graph, true);
  return result;
}

// While the GPU is waited for the client is told to try again, once that is over: this thread does not wait.
void begin(Session& session, const wire::FrameHeader& request, const wire::CaptureBegin& message) {
  const std::unique_lock quiet(session.graphs().quiet(), std::try_to_lock);
  if (quiet) return session.answer(request, begin_now(session, message));
  session.detach(request, [&session, request] {
    {
      const std::lock_guard over(session.graphs().quiet());
    }
    session.answer(request, CUDA_ERROR_NOT_READY);
  });
}

CUresult end(Session& session, const wire::CaptureEnd& message, wire::CaptureEnd::Reply& reply) {
  Graphs& graphs = session.graphs();
  const CUstream stream = stream_of(session, message.stream);
  CUgraph graph = nullptr;
  const CUresult result = call(session.driver().cuStreamEndCapture, stream, &graph);
  const bool goes_on = result == CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  const auto capture = graphs.capture(message.stream);
  if (goes_on || !capture) return result != CUDA_SUCCESS ? result : CUDA_ERROR_ILLEGAL_STATE;
  graphs.end_capture(message.stream);
  if (result != CUDA_SUCCESS) {
    // A graph that was made for this capture is gone.
    if (!capture->of_client) graphs.forget_graph(capture->graph);
    return result;
  }
  reply.graph = graphs.name_graph(graph, 0);
  if (reply.graph == capture->graph) return result;
  // The driver made another object of it at the end.
  const Graphs::Holdings holdings = graphs.holdings(capture->graph);
  graphs.forget_graph(capture->graph);
  graphs.graph(reply.graph).holdings.add(holdings);
  return result;
}

CUresult info(Session& session, const wire::CaptureInfo& message, wire::CaptureInfo::Reply& reply) {
  Graphs& graphs = session.graphs();
  State state;
  const CUresult result = ask(session.driver(), stream_of(session, message.stream), state);
  if (result != CUDA_SUCCESS) return result;
  reply.status = static_cast<std::uint32_t>(state.status);
  if (state.status != CU_STREAM_CAPTURE_STATUS_ACTIVE) return result;
  reply.id = state.id;
  reply.graph = graphs.name_graph(state.graph, 0);
  for (std::size_t i = 0; i < state.count; ++i)
    reply.dependencies.push_back({graphs.name_node(state.nodes[i], reply.graph),
                                  state.edges != nullptr ? to_wire(state.edges[i]) : wire::EdgeData{}});
  return result;
}

CUresult status(Session& session, const wire::CaptureStatus& message, wire::CaptureStatus::Reply& reply) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult result =
      call(session.driver().cuStreamIsCapturing, stream_of(session, message.stream), &status);
  reply.status = static_cast<std::uint32_t>(status);
  return result;
}

CUresult dependencies(Session& session, const wire::CaptureDependencies& message) {
  const CUstream stream = stream_of(session, message.stream);
  const Dependencies on(session, message.dependencies);
  const DriverTable& driver = session.driver();
  if (on.edges() == nullptr)
    return call(driver.cuStreamUpdateCaptureDependencies, stream, on.nodes(), on.count(), message.flags);
  return call(driver.cuStreamUpdateCaptureDependencies_v2, stream, on.nodes(), on.edges(), on.count(),
              message.flags);
}

// To ask whether a capturing stream is done is what no capture survives.
CUresult invalidate(Session& session, const wire::CaptureInvalidate& message) {
  const CUstream stream = stream_of(session, message.stream);
  if (session.graphs().capture(message.stream)) call(session.driver().cuStreamQuery, stream);
  return CUDA_SUCCESS;
}

CUresult copy(Session& session, const wire::CaptureCopy& message) {
  const CUstream stream = stream_of(session, message.stream);
  const std::uint64_t graph = graph_captured(session, stream);
  const GraphCopy what(session, message.copy);
  const CUresult result = call(session.driver().cuMemcpy3DAsync_v2, &what.copy, stream);
  if (result == CUDA_SUCCESS) what.hold(session.graphs().graph(graph).holdings);
  return result;
}

CUresult alloc(Session& session, const wire::CaptureAlloc& message, wire::CaptureAlloc::Reply& reply) {
  Graphs& graphs = session.graphs();
  const std::uint64_t graph = graph_captured(session, stream_of(session, message.stream));
  const Graphs::Memory memory = graphs.allocate(session.ordinal(message.device), message.size);
  graphs.graph(graph).holdings.memory.emplace(memory->address, memory);
  reply.address = memory->address;
  return CUDA_SUCCESS;
}

CUresult free(Session& session, const wire::CaptureFree& message) {
  Graphs& graphs = session.graphs();
  const std::uint64_t graph = graph_captured(session, stream_of(session, message.stream));
  const Graphs::Memory memory = graphs.find_memory(message.address);
  if (memory == nullptr) return CUDA_ERROR_INVALID_VALUE;
  Graphs::Holdings& holdings = graphs.graph(graph).holdings;
  holdings.memory.emplace(memory->address, memory);
  holdings.freed.insert(memory->address);
  return CUDA_SUCCESS;
}

}  // namespace

void add_capture_calls(CallTable& table) {
  table.serve<&begin>(wire::Opcode::CaptureBegin);
  table.serve<&end>(wire::Opcode::CaptureEnd);
  table.serve<&info>(wire::Opcode::CaptureInfo);
  table.serve<&status>(wire::Opcode::CaptureStatus);
  table.serve<&dependencies>(wire::Opcode::CaptureDependencies);
  table.serve<&invalidate>(wire::Opcode::CaptureInvalidate);
  table.serve<&copy>(wire::Opcode::CaptureCopy);
  table.serve<&alloc>(wire::Opcode::CaptureAlloc);
  table.serve<&free>(wire::Opcode::CaptureFree);
}

}  // namespace worker
