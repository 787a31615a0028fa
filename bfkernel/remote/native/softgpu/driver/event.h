// SPDX-License-Identifier: BSD-3-Clause
// Events: points in streams, with the time at which they were reached.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "context.h"
#include "shared_event.h"

namespace softgpu::driver {

struct CapturedPoint;

// One recording. Recording an event again leaves those who wait for the earlier one alone.
struct Recording {
  Ticket ticket;
  std::atomic<int64_t> nanoseconds{0};            // steady time at which it was reached
  std::shared_ptr<const CapturedPoint> captured;  // instead of all that: a point in a capture
  void reach();
};

class Event {
 public:
  Event(std::weak_ptr<Context> context, unsigned flags, std::shared_ptr<SharedEvent> shared = nullptr)
      : context(std::move(context)), flags(flags), shared(std::move(shared)) {}

  bool timed() const { return !(flags & CU_EVENT_DISABLE_TIMING); }
  std::shared_ptr<Recording> last() const;  // null when never recorded
  void set(std::shared_ptr<Recording> recording);
  CUevent handle() { return reinterpret_cast<CUevent>(this); }

  const std::weak_ptr<Context> context;
  const unsigned flags;
  const std::shared_ptr<SharedEvent> shared;  // where other processes know the event

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Recording> last_;
};

// After the stream's work so far, and that of `after`.
void record(Event& event, Stream& stream, std::vector<Ticket> after = {});

}  // namespace softgpu::driver
