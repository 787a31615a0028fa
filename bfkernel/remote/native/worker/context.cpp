// SPDX-License-Identifier: BSD-3-Clause
// Contexts: which one a call runs in, what they cost the lease, what ends with them.
#include <algorithm>
#include <chrono>
#include <thread>

#include "wire/device_messages.h"
#include "worker/calls.h"
#include "worker/graphs.h"
#include "worker/log.h"

namespace worker {

// ---- the session's part

void Session::bind(std::uint64_t context) {
  if ((current_ != nullptr ? current_->id : 0) != context) make_current(find_context(context));
}

void Session::make_current(Context* context) {
  current_ = context;
  current_handle_ = context != nullptr ? context->handle : nullptr;
  call(driver_.cuCtxSetCurrent, current_handle());
}

void Session::leave(const Context* context) {
  if (current_ != context) return;
  current_ = nullptr;
  current_handle_ = nullptr;
}

Context& Session::current() {
  if (current_ == nullptr) throw CudaError{CUDA_ERROR_INVALID_CONTEXT};
  return *current_;
}

Context* Session::find_context(std::uint64_t id) {
  const std::lock_guard lock(contexts_mutex_);
  const auto found = contexts_.find(id);
  return found != contexts_.end() ? found->second.get() : nullptr;
}

Context* Session::find_context(const std::function<bool(const Context&)>& wanted) {
  const std::lock_guard lock(contexts_mutex_);
  for (const auto& [id, context] : contexts_) {
    if (wanted(*context)) return context.get();
  }
  return nullptr;
}

Context* Session::primary_context(unsigned device) {
  return find_context([device](const Context& one) { return one.primary && one.device == device; });
}

Context* Session::green_context(unsigned device) {
  return find_context([device](const Context& one) { return one.green && one.device == device; });
}

std::vector<CUcontext> Session::context_handles() {
  const std::lock_guard lock(contexts_mutex_);
  std::vector<CUcontext> handles;
  // Who waits for a primary context waits for its green ones.
  for (const auto& [id, context] : contexts_)
    if (!context->green) handles.push_back(context->handle);
  return handles;
}

void Session::add_context(std::unique_ptr<Context> context) {
  if (!context->green) {
    context->home = context->id;
    context->uploads = std::make_shared<UploadPieces>(driver_);
    context->events = std::make_shared<EventPool>(driver_);
  }
  const std::lock_guard lock(contexts_mutex_);
  ledger_.note_context(context->device, true);
  contexts_.emplace(context->id, std::move(context));
}

CUresult Session::enter_context(std::unique_ptr<Context> context, std::uint64_t held_before) {
  const std::uint64_t held_after = card_.held(devices_[context->device]);
  context->cost = held_after > held_before ? held_after - held_before : 0;
  if (!ledger_.take(context->device, context->cost)) {
    log_line("a context costs %llu bytes on the card: more than is left of the lease",
             static_cast<unsigned long long>(context->cost));
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  Context* entered = context.get();
  add_context(std::move(context));
  make_current(entered);
  return CUDA_SUCCESS;
}

CUresult Session::end_green_context(Context& context) {
  // Streams of it can be asked nothing afterwards, so what they still copy must be known by events.
  context.uploads->seal();
  const CUresult result = call(driver_.cuGreenCtxDestroy, context.green);
  const std::lock_guard lock(contexts_mutex_);
  ledger_.give(context.device, context.cost);
  leave(&context);
  contexts_.erase(context.id);
  return result;
}

void Session::end_context(std::uint64_t id) {
  Context* context = find_context(id);
  handles_.drop_if([id](std::uint64_t, const Handles::Entry& entry) { return entry.context == id; });
  memory_->end_context(id);
  graphs_->slots().end_context(id);
  arrays_.end_context(id);
  ledger_.give(context->device, context->cost);
  leavings_.end_context(id);
  context->uploads->abandon();
  downloads_.note_ended_context();
  leave(context);
  const std::lock_guard lock(contexts_mutex_);
  const unsigned device = context->device;
  contexts_.erase(id);
  const bool others = std::any_of(contexts_.begin(), contexts_.end(),
                                  [device](const auto& entry) { return entry.second->device == device; });
  ledger_.note_context(device, others);
}

// Called by the reclaimer's thread. A context that an error has ended says so here, and is waited for as well
// as it can be.
void Session::wait_for_gpu() {
  // A stream that captures must not be waited for, or its capture would be over.
  std::shared_lock quiet(graphs_->quiet());
  while (graphs_->capturing()) {
    quiet.unlock();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    quiet.lock();
  }
  for (CUcontext context : context_handles()) {
    const std::lock_guard it_does_not_end(waits_mutex_);
    const std::vector<CUcontext> left = context_handles();
    if (std::find(left.begin(), left.end(), context) == left.end()) continue;
    if (call(driver_.cuCtxSetCurrent, context) == CUDA_SUCCESS) call(driver_.cuCtxSynchronize);
  }
}

bool Session::gpu_is_idle() {
  constexpr std::size_t kFew = 8;
  if (contexts_.empty()) return true;
  if (graphs_->capturing()) return false;
  if (contexts_.size() > 1 || current_ == nullptr || leavings_.any()) return false;
  const std::vector<void*> streams = handles_.all(wire::Kind::stream, current_->id);
  return streams.size() <= kFew && !at_work(streams, true);
}

bool Session::all_is_done() {
  // A stream that captures must not be asked, nor the default stream beside it.
  if (graphs_->capturing()) return false;
  const std::shared_lock quiet(graphs_->quiet(), std::try_to_lock);
  if (!quiet || graphs_->capturing()) return false;
  const std::unique_lock no_endings(endings_mutex_, std::try_to_lock);
  if (!no_endings) return false;
  const std::lock_guard lock(contexts_mutex_);
  CUcontext before = nullptr;
  call(driver_.cuCtxGetCurrent, &before);
  const auto query = [this](void* stream) {
    return call(driver_.cuStreamQuery, static_cast<CUstream>(stream)) == CUDA_SUCCESS;
  };
  bool done = !leavings_.any();
  for (const auto& [id, context] : contexts_) {
    // Streams of a green context that has ended do not tell.
    done = done && !context->green && call(driver_.cuCtxSetCurrent, context->handle) == CUDA_SUCCESS &&
           query(nullptr) && handles_.each(wire::Kind::stream, id, query);
  }
  call(driver_.cuCtxSetCurrent, before);
  return done;
}

std::optional<CUresult> Session::ask(const Watcher::Watch& watch) {
  const std::shared_lock quiet(graphs_->quiet(), std::try_to_lock);
  if (!quiet || graphs_->capturing()) return std::nullopt;
  const std::unique_lock no_endings(endings_mutex_, std::try_to_lock);
  if (!no_endings) return std::nullopt;
  const Context* context = find_context(watch.context);
  if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  call(driver_.cuCtxSetCurrent, context->handle);
  CUresult result = CUDA_ERROR_INVALID_HANDLE;
  if (watch.kind == wire::Kind::stream && watch.id == wire::kNullHandle) {
    result = query_and_finish(*this, watch.kind, nullptr);
  } else {
    handles_.use(watch.kind, watch.id,
                 [&](void* handle) { result = query_and_finish(*this, watch.kind, handle); });
  }
  return result;
}

bool Session::gpu_is_at_work() {
  if (graphs_->capturing()) return false;  // to be asked is what no capture survives
  const bool found =
      leavings_.any() || std::any_of(contexts_.begin(), contexts_.end(), [this](const auto& entry) {
        call(driver_.cuCtxSetCurrent, entry.second->handle);
        return at_work(handles_.all(wire::Kind::stream, entry.first), false);
      });
  make_current(current_);
  return found;
}

// Whether one of these streams, or the default stream of the current context, has work. A stream whose green
// context has ended may have some left, and does not tell: then `detached` is the answer.
bool Session::at_work(const std::vector<void*>& streams, bool detached) {
  const auto works = [this, detached](void* stream) {
    const CUresult result = call(driver_.cuStreamQuery, static_cast<CUstream>(stream));
    return result == CUDA_ERROR_NOT_READY || (detached && result == CUDA_ERROR_STREAM_DETACHED);
  };
  return works(nullptr) || std::any_of(streams.begin(), streams.end(), works);
}

// A client that is silent while its kernels run, or while a thread of its waits for them, is not idle.
void Session::note_work() {
  if (lanes_.busy() || gpu_is_at_work()) ledger_.note_work();
}

// ---- the calls

std::unique_ptr<Context> new_context(Session& session, std::uint64_t id, std::int32_t device) {
  if (id == 0 || session.find_context(id) != nullptr)
    throw wire::Malformed("a new context has an id that is taken");
  auto context = std::make_unique<Context>();
  context->id = id;
  context->device = session.ordinal(device);
  return context;
}

namespace {

CUresult primary_retain(Session& session, const wire::PrimaryRetain& message) {
  const CUdevice device = session.device(message.device);
  if (session.primary_context(session.ordinal(message.device)) != nullptr) return CUDA_SUCCESS;
  auto context = new_context(session, message.context, message.device);
  context->primary = true;
  const DriverTable& driver = session.driver();
  if (message.flags != 0) call(driver.cuDevicePrimaryCtxSetFlags_v2, device, message.flags);
  const std::uint64_t before = session.card().held(device);
  CUresult result = call(driver.cuDevicePrimaryCtxRetain, &context->handle, device);
  if (result != CUDA_SUCCESS) return result;
  result = session.enter_context(std::move(context), before);
  if (result != CUDA_SUCCESS) call(driver.cuDevicePrimaryCtxRelease_v2, device);
  return result;
}

// They are parts of the primary context and end before it.
void end_green_contexts(Session& session, std::int32_t device) {
  while (Context* context = session.green_context(session.ordinal(device)))
    session.end_green_context(*context);
}

void end_primary(Session& session, std::int32_t device) {
  if (const Context* context = session.primary_context(session.ordinal(device)))
    session.end_context(context->id);
}

CUresult primary_release(Session& session, const wire::PrimaryRelease& message) {
  const CUdevice device = session.device(message.device);
  if (session.primary_context(session.ordinal(message.device)) == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  const Session::Ending ending = session.ending();
  end_green_contexts(session, message.device);
  const CUresult result = call(session.driver().cuDevicePrimaryCtxRelease_v2, device);
  end_primary(session, message.device);
  return result;
}

CUresult primary_reset(Session& session, const wire::PrimaryReset& message) {
  const CUdevice device = session.device(message.device);
  const Context* context = session.primary_context(session.ordinal(message.device));
  if (context == nullptr) return CUDA_SUCCESS;
  const Session::Ending ending = session.ending();
  end_green_contexts(session, message.device);
  const DriverTable& driver = session.driver();
  const CUresult result = call(driver.cuDevicePrimaryCtxReset_v2, device);
  if (result != CUDA_SUCCESS) return result;
  // The client retains again when it needs the context again.
  call(driver.cuDevicePrimaryCtxRelease_v2, device);
  end_primary(session, message.device);
  return CUDA_SUCCESS;
}

CUresult context_create(Session& session, const wire::ContextCreate& message) {
  const CUdevice device = session.device(message.device);
  auto context = new_context(session, message.context, message.device);
  const DriverTable& driver = session.driver();
  const std::uint64_t before = session.card().held(device);
  CUresult result = call(driver.cuCtxCreate_v2, &context->handle, message.flags, device);
  if (result != CUDA_SUCCESS) return result;
  CUcontext handle = context->handle;
  result = session.enter_context(std::move(context), before);
  if (result != CUDA_SUCCESS) call(driver.cuCtxDestroy_v2, handle);
  return result;
}

CUresult context_destroy(Session& session, const wire::ContextDestroy& message) {
  const Context* context = session.find_context(message.context);
  if (context == nullptr || context->primary || context->green) return CUDA_ERROR_INVALID_CONTEXT;
  const Session::Ending ending = session.ending();
  const CUresult result = call(session.driver().cuCtxDestroy_v2, context->handle);
  session.end_context(message.context);
  return result;
}

// Memory that the driver takes from the card for the context counts inside the lease. It does not come back
// before the context ends, even when the limit is lowered.
CUresult set_limit(Session& session, CUlimit limit, std::size_t value) {
  const DriverTable& driver = session.driver();
  Context& context = session.current();
  const bool takes_memory = limit == CU_LIMIT_MALLOC_HEAP_SIZE || limit == CU_LIMIT_PRINTF_FIFO_SIZE;
  std::size_t before = 0;
  if (takes_memory) call(driver.cuCtxGetLimit, &before, limit);
  const std::uint64_t more = takes_memory && value > before ? value - before : 0;
  if (!session.ledger().take(context.device, more)) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult result = call(driver.cuCtxSetLimit, limit, value);
  if (result == CUDA_SUCCESS) {
    context.cost += more;
  } else {
    session.ledger().give(context.device, more);
  }
  return result;
}

void context_set_limit(Session& session, const wire::FrameHeader& request) {
  wire::Decoder in(session.connection().rest());
  const auto limit = in.take<CUlimit>();
  const auto value = in.take<std::size_t>();
  in.end();
  session.answer(request, set_limit(session, limit, value));
}

}  // namespace

void add_context_calls(CallTable& table) {
  table.serve<&primary_retain>(wire::Opcode::PrimaryRetain);
  table.serve<&primary_release>(wire::Opcode::PrimaryRelease);
  table.serve<&primary_reset>(wire::Opcode::PrimaryReset);
  table.serve<&context_create>(wire::Opcode::ContextCreate);
  table.serve<&context_destroy>(wire::Opcode::ContextDestroy);
  table.set(wire::Opcode::cuCtxSetLimit, &context_set_limit);
}

}  // namespace worker
