// SPDX-License-Identifier: BSD-3-Clause
#include "shim/events.h"

#include "shim/api.h"
#include "shim/capture.h"
#include "shim/drained.h"
#include "shim/mirrors.h"
#include "shim/request.h"

namespace shim {
namespace {

enum class Progress { unknown, pending, over };

// As far as can be told here. What is pending stays so until the worker reports.
Progress progress(EventObject& event) {
  // A capture forbids some questions, and after each of them mirrors are fetched.
  if (capture::in_flight() || mirrors::any.load(std::memory_order_relaxed)) return Progress::unknown;
  const std::lock_guard lock(event.watch.mutex);
  const Recording& recording = event.recording;
  const bool current = event.context->live && event.context->ends == recording.ends;
  if (recording.request == 0 || recording.foreign || !current) return Progress::unknown;
  if (event.watch.done > recording.request) return Progress::over;
  if (drained::covers(recording.work, recording.request)) return Progress::over;
  return event.watch.asked > recording.request ? Progress::pending : Progress::unknown;
}

// The worker said, to this request, that the event is done.
void note_done(EventObject& event, uint64_t sequence) {
  const std::lock_guard lock(event.watch.mutex);
  event.watch.done = std::max(event.watch.done, sequence);
  const Recording& recording = event.recording;
  if (recording.request == 0 || recording.foreign || recording.request > sequence) return;
  drained::note_through(recording.work, recording.request);
}

// Posts the request, which records the event.
void record(CUevent event, Request& request, const Work& work) {
  EventObject* object = object_of(event);
  const bool captured = capture::in_flight();
  const uint64_t sequence = request.post();
  const std::lock_guard lock(object->watch.mutex);
  Recording& recording = object->recording;
  if (sequence < recording.request) return;  // another thread has recorded it since
  recording.request = captured ? 0 : sequence;
  recording.work = work;
  recording.ends = object->context->ends;
}

CUresult ask(Request& request, EventObject& event, Watch* watch) {
  Pending pending;
  pending.watch = watch;
  const CUresult result = request.wait(pending);
  if (result == CUDA_SUCCESS) note_done(event, pending.sequence);
  return result;
}

}  // namespace

namespace events {

void note_foreign(CUevent event) {
  EventObject* object = object_of(event);
  const std::lock_guard lock(object->watch.mutex);
  object->recording.foreign = true;
}

}  // namespace events

namespace api {

CUresult cuEventRecord(CUevent hEvent, CUstream hStream) {
  Request request(Opcode::cuEventRecord, Context::current);
  request.handle(hEvent);
  request.handle(hStream);
  record(hEvent, request, drained::of(hStream));
  return CUDA_SUCCESS;
}

CUresult cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags) {
  Request request(Opcode::cuEventRecordWithFlags, Context::current);
  request.handle(hEvent);
  request.handle(hStream);
  request.fields(flags);
  if ((flags & CU_EVENT_RECORD_EXTERNAL) != 0) events::note_foreign(hEvent);  // by a graph, at its launches
  record(hEvent, request, drained::of(hStream));
  return CUDA_SUCCESS;
}

CUresult cuCtxRecordEvent(CUcontext hCtx, CUevent hEvent) {
  Request request(Opcode::cuCtxRecordEvent, Context::current);
  request.handle(hCtx);
  request.handle(hEvent);
  record(hEvent, request, {.context = context_of(hCtx)});
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxRecordEvent(CUgreenCtx hCtx, CUevent hEvent) {
  Request request(Opcode::cuGreenCtxRecordEvent, Context::any);
  request.handle(hCtx);
  request.handle(hEvent);
  record(hEvent, request, {.context = object_of(hCtx)->as_context});
  return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent hEvent) {
  capture::check_unsafe();
  Request request(Opcode::cuEventQuery, Context::current);
  request.handle(hEvent);
  EventObject& event = *object_of(hEvent);
  Progress now = progress(event);
  if (now != Progress::unknown) request.require_usable();
  if (now == Progress::pending) {
    connection().transport().take_in();
    now = progress(event);
    if (now == Progress::pending) return CUDA_ERROR_NOT_READY;
  }
  if (now == Progress::unknown) {
    const CUresult result = ask(request, event, &event.watch);
    if (result != CUDA_SUCCESS) return result;
  }
  report_deferred();
  return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent hEvent) {
  capture::check_unsafe();
  Request request(Opcode::cuEventSynchronize, Context::current);
  request.handle(hEvent);
  EventObject& event = *object_of(hEvent);
  if (progress(event) == Progress::over) {
    request.require_usable();
    connection().transport().sent();  // throws where there is no connection any more
  } else if (const CUresult result = ask(request, event, nullptr); result != CUDA_SUCCESS) {
    return result;
  }
  report_deferred();
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
