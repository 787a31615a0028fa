// SPDX-License-Identifier: BSD-3-Clause
#include "context.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "array.h"
#include "capture.h"
#include "log.h"
#include "memory.h"
#include "module.h"
#include "texture_objects.h"

namespace softgpu::driver {
namespace {

std::atomic<unsigned long long> next_context_id{1};

// What the engine needs of a heap, and the part of it that has to be zero at first.
constexpr size_t kSmallestHeap = 64 << 10;
constexpr size_t kHeapHeader = 64;

CUresult error_of(Fault fault) {
  switch (fault) {
    case Fault::none:
      return CUDA_SUCCESS;
    case Fault::illegal_address:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case Fault::misaligned_address:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case Fault::illegal_instruction:
      return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case Fault::assert_triggered:
      return CUDA_ERROR_ASSERT;
    case Fault::trap:
      return CUDA_ERROR_LAUNCH_FAILED;
    case Fault::launch_out_of_resources:
      return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    case Fault::invalid_pc:
      return CUDA_ERROR_INVALID_PC;
    case Fault::launch_timeout:
      return CUDA_ERROR_LAUNCH_TIMEOUT;
  }
  return CUDA_ERROR_UNKNOWN;
}

}  // namespace

Context::Context(Device& device, unsigned flags, bool primary)
    : device(device),
      primary(primary),
      id(next_context_id.fetch_add(1)),
      active(!primary),
      flags(flags),
      memory(device.ordinal) {}

void Context::check() const {
  if (!active.load()) fail(primary ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED);
  if (CUresult error = fault_.load(); error != CUDA_SUCCESS) fail(error);
}

void Context::poison(const FaultReport& report) {
  CUresult none = CUDA_SUCCESS;
  if (!fault_.compare_exchange_strong(none, error_of(report.fault))) return;
  log_line(CU_LOG_LEVEL_ERROR, report.detail);
  // The ABI has only a number for this; whoever looks for the reason sets the variable.
  const char* verbose = std::getenv("SOFTGPU_LOG");
  if (verbose && *verbose) std::fprintf(stderr, "softgpu: %s\n", report.detail.c_str());
}

ContextLimits Context::limits() const {
  std::lock_guard lock(mutex_);
  return limits_;
}

void Context::set_limits(const ContextLimits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
}

std::shared_ptr<Stream> Context::add_stream(unsigned flags, int priority) {
  auto stream = std::make_shared<Stream>(weak_from_this(), flags, priority);
  Ticket before;
  {
    std::lock_guard lock(mutex_);
    streams_.push_back(stream);
    before = held_back_;
  }
  if (!Scheduler::instance().reached(before)) submit(*stream, {}, {before});
  return stream;
}

std::shared_ptr<Stream> Context::event_stream() {
  std::lock_guard lock(mutex_);
  if (!event_stream_) {
    event_stream_ = std::make_shared<Stream>(weak_from_this(), CU_STREAM_NON_BLOCKING, 0);
    streams_.push_back(event_stream_);
  }
  return event_stream_;
}

std::vector<Ticket> Context::outstanding() {
  std::vector<Ticket> tickets;
  for (const auto& stream : streams_with_work()) {
    if (Ticket ticket = Scheduler::instance().outstanding(stream->queue); ticket.queue)
      tickets.push_back(std::move(ticket));
  }
  return tickets;
}

void Context::hold_back(const Ticket& ticket) {
  if (Scheduler::instance().reached(ticket)) return;
  legacy_stream();  // it has to wait even if it is first used later
  std::vector<std::shared_ptr<Stream>> streams = streams_with_work();
  {
    std::lock_guard lock(mutex_);
    held_back_ = ticket;
  }
  for (const auto& stream : streams) submit(*stream, {}, {ticket});
}

void Context::forget_stream(const std::shared_ptr<Stream>& stream) {
  std::lock_guard lock(mutex_);
  std::erase(streams_, stream);
  std::erase_if(destroyed_,
                [](const auto& old) { return !Scheduler::instance().outstanding(old->queue).queue; });
  if (Scheduler::instance().outstanding(stream->queue).queue) destroyed_.push_back(stream);
}

std::shared_ptr<Stream> Context::legacy_stream() {
  std::lock_guard lock(mutex_);
  if (!legacy_) legacy_ = std::make_shared<Stream>(weak_from_this(), CU_STREAM_DEFAULT, 0);
  return legacy_;
}

std::shared_ptr<Stream> Context::per_thread_stream() {
  std::lock_guard lock(mutex_);
  std::shared_ptr<Stream>& stream = per_thread_[std::this_thread::get_id()];
  if (!stream) {
    stream = std::make_shared<Stream>(weak_from_this(), CU_STREAM_DEFAULT, 0);
    streams_.push_back(stream);
  }
  return stream;
}

std::vector<std::shared_ptr<Stream>> Context::streams_with_work() {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Stream>> result = streams_;
  result.insert(result.end(), destroyed_.begin(), destroyed_.end());
  if (legacy_) result.push_back(legacy_);
  return result;
}

void Context::order(const Stream& stream, std::vector<Ticket>* after) {
  if (!stream.blocking() || Scheduler::instance().idle()) return;
  Scheduler& scheduler = Scheduler::instance();
  std::lock_guard lock(mutex_);
  auto wait_for = [&](const Stream& other) {
    if (Ticket ticket = scheduler.outstanding(other.queue); ticket.queue) after->push_back(ticket);
  };
  if (&stream != legacy_.get()) {
    if (legacy_) wait_for(*legacy_);
    return;
  }
  for (const auto* streams : {&streams_, &destroyed_}) {
    for (const auto& other : *streams) {
      if (other->blocking()) wait_for(*other);
    }
  }
}

void Context::wait_idle() {
  Scheduler& scheduler = Scheduler::instance();
  if (scheduler.idle()) return;
  for (const auto& stream : streams_with_work()) scheduler.wait(scheduler.outstanding(stream->queue));
}

CUresult Context::synchronize() {
  wait_idle();
  printf.flush();
  return fault();
}

std::pair<uint64_t, uint64_t> Context::heap() {
  std::lock_guard lock(mutex_);
  if (heap_.first) return heap_;
  size_t size = std::max(limits_.malloc_heap_size, kSmallestHeap);
  uint64_t begin = allocate(*this, size, RangeKind::device, 0, true);
  std::memset(reinterpret_cast<void*>(begin), 0, kHeapHeader);
  heap_ = {begin, begin + size};
  return heap_;
}

void Context::add_module(const std::shared_ptr<Module>& module) {
  std::lock_guard lock(mutex_);
  modules_.push_back(module);
}

void Context::forget_module(const std::shared_ptr<Module>& module) {
  std::lock_guard lock(mutex_);
  std::erase(modules_, module);
}

void Context::tear_down() {
  active = false;
  synchronize();
  std::vector<std::shared_ptr<Stream>> streams;
  std::vector<std::shared_ptr<Module>> modules;
  {
    std::lock_guard lock(mutex_);
    streams.swap(streams_);
    modules.swap(modules_);
    destroyed_.clear();
    per_thread_.clear();
    legacy_.reset();
    event_stream_.reset();
    held_back_ = {};
    limits_ = {};
    heap_ = {0, 0};
  }
  for (const auto& stream : streams) {
    abandon_capture(*stream);
    registry<Stream>().remove(stream.get());
  }
  for (const auto& module : modules) retire(*module);
  TextureObjects::instance().free_all(*this);
  free_arrays(*this);
  free_all(*this);
  if (primary) GraphBlock::free_all(device);
  fault_ = CUDA_SUCCESS;
}

void retain_primary(Context& context) {
  ++context.retained;
  context.active = true;
}

void release_primary(Context& context) {
  int retained = context.retained.load();
  do {
    require(retained > 0, CUDA_ERROR_INVALID_CONTEXT);
  } while (!context.retained.compare_exchange_weak(retained, retained - 1));
  if (retained == 1) context.tear_down();
}

}  // namespace softgpu::driver
