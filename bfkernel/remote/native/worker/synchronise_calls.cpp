// SPDX-License-Identifier: BSD-3-Clause
// The calls that wait for the GPU. What the device printed goes to the client before their replies.
#include "worker/calls.h"
#include "worker/ready.h"

namespace worker {

CUresult query_and_finish(Session& session, wire::Kind kind, void* handle) {
  const DriverTable& driver = session.driver();
  if (kind == wire::Kind::event) {
    const auto event = static_cast<CUevent>(handle);
    const CUresult result = call(driver.cuEventQuery, event);
    return result == CUDA_SUCCESS ? call(driver.cuEventSynchronize, event) : result;
  }
  const auto stream = static_cast<CUstream>(handle);
  const CUresult result = call(driver.cuStreamQuery, stream);
  return result == CUDA_SUCCESS ? call(driver.cuStreamSynchronize, stream) : result;
}

namespace {

template <class Handle>
Handle take_handle(Session& session, wire::Kind kind) {
  wire::Decoder in(session.connection().rest());
  const auto handle = session.handle<Handle>(kind, in.take<std::uint64_t>());
  in.end();
  return handle;
}

// Waits here where that is quick, else on a lane. The driver prints what the device printed when it waits, so
// it is asked to wait even where a query said that there is nothing to wait for.
template <class Query, class Wait>
void synchronise(Session& session, const wire::FrameHeader& request, Query query, Wait wait) {
  const auto whole = [&session, wait] {
    const CUresult result = wait();
    session.drain_stdout();
    return result;
  };
  if (soon_ready(session, query)) return session.answer(request, whole());
  session.aside(request, whole);
}

void stream_synchronise(Session& session, const wire::FrameHeader& request) {
  const auto stream = take_handle<CUstream>(session, wire::Kind::stream);
  const DriverTable& driver = session.driver();
  synchronise(
      session, request, [&driver, stream] { return call(driver.cuStreamQuery, stream); },
      [&driver, stream] { return call(driver.cuStreamSynchronize, stream); });
}

void event_synchronise(Session& session, const wire::FrameHeader& request) {
  const auto event = take_handle<CUevent>(session, wire::Kind::event);
  const DriverTable& driver = session.driver();
  synchronise(
      session, request, [&driver, event] { return call(driver.cuEventQuery, event); },
      [&driver, event] { return call(driver.cuEventSynchronize, event); });
}

// The question whether that would wait.
template <wire::Kind kind, class Handle>
void query(Session& session, const wire::FrameHeader& request) {
  wire::Decoder in(session.connection().rest());
  const auto id = in.take<std::uint64_t>();
  in.end();
  const CUresult result = query_and_finish(session, kind, session.handle<Handle>(kind, id));
  if (result == CUDA_SUCCESS) session.drain_stdout();
  if (result != CUDA_ERROR_NOT_READY || (request.flags & wire::kFlagWatch) == 0)
    return session.answer(request, result);
  session.watch(
      request, {kind, id == wire::kLegacyStream ? wire::kNullHandle : id, request.context, request.sequence});
}

void context_synchronise(Session& session, const wire::FrameHeader& request) {
  wire::Decoder(session.connection().rest()).end();
  session.current();
  const DriverTable& driver = session.driver();
  // The driver has no query for a whole context: its streams are asked one by one.
  synchronise(
      session, request, [&session] { return session.gpu_is_idle() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY; },
      [&driver] { return call(driver.cuCtxSynchronize); });
}

}  // namespace

void add_synchronise_calls(CallTable& table) {
  table.set(wire::Opcode::cuStreamSynchronize, &stream_synchronise);
  table.set(wire::Opcode::cuEventSynchronize, &event_synchronise);
  table.set(wire::Opcode::cuCtxSynchronize, &context_synchronise);
  table.set(wire::Opcode::cuStreamQuery, &query<wire::Kind::stream, CUstream>);
  table.set(wire::Opcode::cuEventQuery, &query<wire::Kind::event, CUevent>);
}

}  // namespace worker
