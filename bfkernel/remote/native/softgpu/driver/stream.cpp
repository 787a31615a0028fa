// SPDX-License-Identifier: BSD-3-Clause
#include "stream.h"

#include <atomic>

#include "capture.h"
#include "context.h"
#include "green.h"

namespace softgpu::driver {
namespace {

std::atomic<unsigned long long> next_stream_id{1};
thread_local bool per_thread_default = false;

// Keeps the context for as long as its work is under way, and skips the work once a kernel has ruined it.
std::function<void()> in_context(Context& context, std::function<void()> run) {
  return [context = context.shared_from_this(), run = std::move(run)] {
    if (run && context->fault() == CUDA_SUCCESS) run();
  };
}

}  // namespace

Stream::Stream(std::weak_ptr<Context> context, unsigned flags, int priority)
    : context(std::move(context)),
      flags(flags),
      priority(priority),
      id(next_stream_id.fetch_add(1)),
      queue(std::make_shared<Queue>(priority)) {}

std::shared_ptr<Context> owner(const Stream& stream) {
  std::shared_ptr<Context> context = stream.context.lock();
  require(context != nullptr, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  return context;
}

Ticket submit(Stream& stream, std::function<void()> run, std::vector<Ticket> after,
              std::function<bool()> ready) {
  std::shared_ptr<Context> context = owner(stream);
  not_in_capture_of(*context, stream);
  std::lock_guard lock(context->order_mutex);
  context->order(stream, &after);
  return Scheduler::instance().submit(
      stream.queue, {in_context(*context, std::move(run)), std::move(after), std::move(ready), false});
}

Ticket submit_all(Stream& stream, std::vector<Operation> operations) {
  std::shared_ptr<Context> context = owner(stream);
  not_in_capture_of(*context, stream);
  std::lock_guard lock(context->order_mutex);
  context->order(stream, &operations.front().after);
  Ticket first;
  for (Operation& operation : operations) {
    operation.run = in_context(*context, std::move(operation.run));
    Ticket ticket = Scheduler::instance().submit(stream.queue, std::move(operation));
    if (!first.queue) first = ticket;
  }
  return first;
}

Ticket submit_call_always(Stream& stream, std::function<void()> call) {
  std::shared_ptr<Context> context = owner(stream);
  not_in_capture_of(*context, stream);
  std::lock_guard lock(context->order_mutex);
  std::vector<Ticket> after;
  context->order(stream, &after);
  return Scheduler::instance().submit(stream.queue, {std::move(call), std::move(after), {}, true});
}

Ticket submit_call(Stream& stream, std::function<void()> call) {
  return submit_call_always(stream, in_context(*owner(stream), std::move(call)));
}

namespace {

bool claim(Context& context, Stream& stream) {
  not_in_capture_of(context, stream);
  std::lock_guard lock(context.order_mutex);
  std::vector<Ticket> after;
  context.order(stream, &after);
  return Scheduler::instance().try_claim(stream.queue, after);
}

}  // namespace

void run_and_wait(Stream& stream, const std::function<void()>& run) {
  std::shared_ptr<Context> context = owner(stream);
  if (claim(*context, stream)) {
    run();
    Scheduler::instance().finish(stream.queue);
  } else {
    Scheduler::instance().wait(submit(stream, run));
  }
  context->printf.flush();
  if (CUresult error = context->fault(); error != CUDA_SUCCESS) fail(error);
}

void run_soon(Stream& stream, std::function<void()> run) {
  if (claim(*owner(stream), stream)) {
    run();
    Scheduler::instance().finish(stream.queue);
  } else {
    submit(stream, std::move(run));
  }
}

CUresult synchronize(Stream& stream) {
  std::shared_ptr<Context> context = owner(stream);
  not_in_capture_of(*context, stream);
  not_in_unsafe_capture();
  Scheduler& scheduler = Scheduler::instance();
  if (&stream == context->legacy_stream().get()) {
    // An empty operation has the legacy stream's order: it ends after all blocking streams' work so far.
    if (!scheduler.idle()) scheduler.wait(submit(stream, {}));
  } else {
    scheduler.wait(scheduler.outstanding(stream.queue));
  }
  context->printf.flush();
  return context->fault();
}

std::shared_ptr<Stream> resolve_stream(Context& context, CUstream handle) {
  if (handle == CU_STREAM_PER_THREAD || (!handle && per_thread_default)) return context.per_thread_stream();
  if (!handle || handle == CU_STREAM_LEGACY) return context.legacy_stream();
  std::shared_ptr<Stream> stream = registry<Stream>().get(handle);
  // A stream works in the context it was made in, whichever is current.
  owner(*stream)->check();
  require(!stream->green || !stream->green->ended, CUDA_ERROR_STREAM_DETACHED);
  return stream;
}

PerThreadDefaultStream::PerThreadDefaultStream() : before_(per_thread_default) { per_thread_default = true; }
PerThreadDefaultStream::~PerThreadDefaultStream() { per_thread_default = before_; }
bool PerThreadDefaultStream::active() { return per_thread_default; }

}  // namespace softgpu::driver
