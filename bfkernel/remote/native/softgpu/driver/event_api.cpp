// SPDX-License-Identifier: BSD-3-Clause
// cuEvent*, and streams that wait for events.
#include "capture.h"
#include "current.h"
#include "event.h"

namespace softgpu::driver {

std::shared_ptr<Recording> Event::last() const {
  std::lock_guard lock(mutex_);
  return last_;
}

void Event::set(std::shared_ptr<Recording> recording) {
  std::lock_guard lock(mutex_);
  last_.swap(recording);  // the old one ends outside the lock: a whole capture may go with it
}

void Recording::reach() {
  nanoseconds = std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

void record(Event& event, Stream& stream, std::vector<Ticket> after) {
  if (capturing(stream)) {
    capture_record(stream, event);
    return;
  }
  auto recording = std::make_shared<Recording>();
  uint64_t number = event.shared ? event.shared->record() : 0;
  auto reach = [recording, number, shared = event.shared] {
    recording->reach();
    if (shared) shared->reach(number);
  };
  recording->ticket = submit(stream, reach, std::move(after));
  event.set(std::move(recording));
}

}  // namespace softgpu::driver

using namespace softgpu::driver;

namespace {

// The last recording of an event that is asked about from outside. Throws CAPTURED_EVENT when it stands for a
// point in a graph.
std::shared_ptr<Recording> outside_recording(const Event& event) {
  std::shared_ptr<Recording> recording = event.last();
  require(!recording || !recording->captured, CUDA_ERROR_CAPTURED_EVENT);
  return recording;
}

void wait_for(const std::shared_ptr<Stream>& stream, const std::shared_ptr<Event>& event, unsigned flags) {
  require((flags & ~static_cast<unsigned>(CU_EVENT_WAIT_EXTERNAL)) == 0);
  if (flags & CU_EVENT_WAIT_EXTERNAL) {
    require(capturing(*stream));
    capture(*stream, WaitWork{event});
    return;
  }
  std::shared_ptr<Recording> recording = event->last();
  if (event->shared && !(recording && recording->captured)) {
    uint64_t latest = event->shared->latest();
    auto ready = [shared = event->shared, latest] { return shared->reached(latest); };
    if (!ready()) submit(*stream, {}, {}, ready);
    return;
  }
  if (!recording || capture_wait(stream, *recording)) return;
  if (!Scheduler::instance().reached(recording->ticket)) submit(*stream, {}, {recording->ticket});
}

constexpr unsigned kEventFlags = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;

}  // namespace

SOFTGPU_API cuEventCreate(CUevent* phEvent, unsigned int Flags) {
  return with_context([&](Context& context) {
    require(phEvent != nullptr && (Flags & ~kEventFlags) == 0);
    std::shared_ptr<SharedEvent> shared;
    if (Flags & CU_EVENT_INTERPROCESS) {
      require(Flags & CU_EVENT_DISABLE_TIMING);
      shared = std::make_shared<SharedEvent>();
    }
    auto event = std::make_shared<Event>(context.weak_from_this(), Flags, std::move(shared));
    *phEvent = registry<Event>().add<CUevent>(std::move(event));
  });
}

SOFTGPU_API cuEventDestroy_v2(CUevent hEvent) {
  return with_driver(
      [&](Driver&) { require(registry<Event>().remove(hEvent) != nullptr, CUDA_ERROR_INVALID_HANDLE); });
}

SOFTGPU_API cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags) {
  return with_context([&](Context& context) {
    require((flags & ~static_cast<unsigned>(CU_EVENT_RECORD_EXTERNAL)) == 0);
    std::shared_ptr<Event> event = registry<Event>().get(hEvent);
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    require(event->context.lock() == stream->context.lock(), CUDA_ERROR_INVALID_HANDLE);
    if (!(flags & CU_EVENT_RECORD_EXTERNAL)) {
      record(*event, *stream);
      return;
    }
    require(capturing(*stream));
    capture(*stream, RecordWork{event});
  });
}

SOFTGPU_API cuEventRecord(CUevent hEvent, CUstream hStream) {
  return cuEventRecordWithFlags(hEvent, hStream, 0);
}

SOFTGPU_API cuEventQuery(CUevent hEvent) {
  return with_context([&](Context&) {
    std::shared_ptr<Event> event = registry<Event>().get(hEvent);
    std::shared_ptr<Recording> recording = outside_recording(*event);
    not_in_unsafe_capture();
    bool reached = event->shared ? event->shared->reached(event->shared->latest())
                                 : !recording || Scheduler::instance().reached(recording->ticket);
    return reached ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  });
}

SOFTGPU_API cuEventSynchronize(CUevent hEvent) {
  return with_context([&](Context& context) {
    std::shared_ptr<Event> event = registry<Event>().get(hEvent);
    std::shared_ptr<Recording> recording = outside_recording(*event);
    not_in_unsafe_capture();
    if (recording) Scheduler::instance().wait(recording->ticket);
    if (event->shared) event->shared->wait();
    std::shared_ptr<Context> owner = event->context.lock();
    if (owner) owner->printf.flush();
    return owner ? owner->fault() : context.fault();
  });
}

SOFTGPU_API cuEventElapsedTime_v2(float* pMilliseconds, CUevent hStart, CUevent hEnd) {
  return with_context([&](Context&) {
    require(pMilliseconds != nullptr);
    std::shared_ptr<Event> events[2] = {registry<Event>().get(hStart), registry<Event>().get(hEnd)};
    std::shared_ptr<Recording> recordings[2];
    for (int i = 0; i < 2; ++i) {
      recordings[i] = outside_recording(*events[i]);
      require(recordings[i] != nullptr && events[i]->timed(), CUDA_ERROR_INVALID_HANDLE);
    }
    for (const auto& recording : recordings) {
      if (!Scheduler::instance().reached(recording->ticket)) return CUDA_ERROR_NOT_READY;
    }
    *pMilliseconds = static_cast<float>(recordings[1]->nanoseconds - recordings[0]->nanoseconds) / 1e6f;
    return CUDA_SUCCESS;
  });
}

SOFTGPU_API cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags) {
  return with_context([&](Context& context) {
    std::shared_ptr<Event> event = registry<Event>().get(hEvent);
    wait_for(resolve_stream(context, hStream), event, Flags);
  });
}

// The event stands for all work of the context's streams so far.
SOFTGPU_API cuCtxRecordEvent(CUcontext hCtx, CUevent hEvent) {
  return with_driver([&](Driver&) {
    std::shared_ptr<Context> context = context_of(hCtx);
    context->check();
    not_in_capture_in(*context);
    std::shared_ptr<Event> event = registry<Event>().get(hEvent);
    require(event->context.lock() == context, CUDA_ERROR_INVALID_HANDLE);
    record(*event, *context->event_stream(), context->outstanding());
  });
}

SOFTGPU_API cuCtxWaitEvent(CUcontext hCtx, CUevent hEvent) {
  return with_driver([&](Driver&) {
    std::shared_ptr<Context> context = context_of(hCtx);
    context->check();
    not_in_capture_in(*context);
    std::shared_ptr<Recording> recording = outside_recording(*registry<Event>().get(hEvent));
    if (recording) context->hold_back(recording->ticket);
  });
}
