// SPDX-License-Identifier: BSD-3-Clause
// Streams: in-order work of one context, with CUDA's rules for the default stream.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "api.h"
#include "scheduler.h"

namespace softgpu::driver {

class Context;
class GreenContext;
struct StreamCapture;

// Greater priorities are smaller numbers.
constexpr int kLeastPriority = 0;
constexpr int kGreatestPriority = -5;
inline int clamp_priority(int priority) { return std::clamp(priority, kGreatestPriority, kLeastPriority); }

class Stream {
 public:
  Stream(std::weak_ptr<Context> context, unsigned flags, int priority);

  // Blocking streams and the legacy default stream wait for each other.
  bool blocking() const { return !(flags & CU_STREAM_NON_BLOCKING); }

  const std::weak_ptr<Context> context;
  const unsigned flags;
  const int priority;
  const unsigned long long id;  // unique over the process's life
  const std::shared_ptr<Queue> queue;
  std::atomic<bool> capturing{false};
  std::shared_ptr<StreamCapture> capture;  // guarded by graphs_mutex
  std::shared_ptr<GreenContext> green;     // set before anybody else knows the stream

  std::mutex attributes_mutex;
  std::map<CUstreamAttrID, CUstreamAttrValue> attributes;  // what the program set
};

// The context a stream works in. Throws CONTEXT_IS_DESTROYED.
std::shared_ptr<Context> owner(const Stream& stream);
// Submits work in the order that CUDA's default-stream rules ask for. Work of a faulted context is skipped
// (but what waits for it goes on, and finds the context's error).
Ticket submit(Stream& stream, std::function<void()> run, std::vector<Ticket> after = {},
              std::function<bool()> ready = {});
// Submits a call of the program's own function. It is made on a thread of the driver's.
Ticket submit_call(Stream& stream, std::function<void()> call);
// The same for a call that is made even in a faulted context.
Ticket submit_call_always(Stream& stream, std::function<void()> call);
// Submits operations one after the other, with no other between them, and returns the first's ticket.
Ticket submit_all(Stream& stream, std::vector<Operation> operations);
// Submits and returns when it has run: on the calling thread if the stream is idle.
void run_and_wait(Stream& stream, const std::function<void()>& run);
// Runs now if the stream is idle and nothing stands before it, else submits; for work that is quicker done
// than handed over.
void run_soon(Stream& stream, std::function<void()> run);
// Waits for everything submitted so far, writes out what kernels printed, reports the context's error.
CUresult synchronize(Stream& stream);

// The stream a handle means in the calling thread: 0 is the legacy stream, or the thread's own inside an
// entry point with the suffix _ptds or _ptsz.
std::shared_ptr<Stream> resolve_stream(Context& context, CUstream handle);

// Set for the duration of an entry point with the suffix _ptds or _ptsz.
class PerThreadDefaultStream {
 public:
  PerThreadDefaultStream();
  ~PerThreadDefaultStream();
  static bool active();

 private:
  const bool before_;
};

}  // namespace softgpu::driver
