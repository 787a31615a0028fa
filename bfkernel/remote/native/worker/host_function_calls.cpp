// SPDX-License-Identifier: BSD-3-Clause
// Functions of the client's program in its streams.
#include "wire/host_call_messages.h"
#include "worker/calls.h"
#include "worker/graphs.h"

namespace worker {
namespace {

// In a stream that captures, the function becomes part of a graph and may be called often.
bool captures(Session& session, CUstream stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult result = call(session.driver().cuStreamIsCapturing, stream, &status);
  return result == CUDA_SUCCESS && status == CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

CUresult launch_host_function(Session& session, const wire::LaunchHostFunction& message) {
  session.current();
  const auto stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  session.graphs().slots().function_follows(message.token, stream);
  const auto lifetime =
      captures(session, stream) ? HostFunctions::Lifetime::kept : HostFunctions::Lifetime::once;
  return call(session.driver().cuLaunchHostFunc, stream, HostFunctions::function(),
              HostFunctions::data(message.token, lifetime));
}

CUresult add_stream_callback(Session& session, const wire::AddStreamCallback& message) {
  session.current();
  const auto stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  return call(session.driver().cuStreamAddCallback, stream, HostFunctions::callback(),
              HostFunctions::data(message.token, HostFunctions::Lifetime::once), 0u);
}

}  // namespace

void add_host_function_calls(CallTable& table) {
  table.serve<&launch_host_function>(wire::Opcode::LaunchHostFunction);
  table.serve<&add_stream_callback>(wire::Opcode::AddStreamCallback);
}

}  // namespace worker
