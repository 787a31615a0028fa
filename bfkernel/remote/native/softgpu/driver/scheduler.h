// SPDX-License-Identifier: BSD-3-Clause
// Runs the work of all streams: in-order queues over a few threads that exist only while there is work.
//
// An operation waits for tickets (points in other queues), never for a thread: a queue whose head cannot run
// yet is parked and costs nothing. A thread that waits for a queue runs the queue's work itself if nobody
// does, unless that work is the program's own function: a thread inside a driver call runs none of those.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace softgpu::driver {

class Queue;

// A point in a queue: reached once all work submitted up to it has run.
struct Ticket {
  std::shared_ptr<Queue> queue;
  uint64_t sequence = 0;
};

struct Operation {
  std::function<void()> run;  // must not throw
  std::vector<Ticket> after;
  std::function<bool()> ready;  // if set, asked again and again until it says yes
  bool calls_program = false;   // run() calls the program's own code: only on a thread of the scheduler's
};

// One in-order queue. All fields belong to the scheduler and are guarded by its mutex.
class Queue {
 public:
  explicit Queue(int priority) : priority_(priority) {}

 private:
  friend class Scheduler;
  const int priority_;  // lower runs first, as CUDA counts
  uint64_t submitted_ = 0;
  uint64_t completed_ = 0;
  std::deque<Operation> pending_;
  bool claimed_ = false;  // some thread is running the head
  bool listed_ = false;   // in the scheduler's ready list
  int waiters_ = 0;
  const Queue* parked_at_ = nullptr;  // the queue in whose parked_ this one is
  std::condition_variable progress_;
  std::vector<std::weak_ptr<Queue>> parked_;  // queues whose head waits for this one
};

class Scheduler {
 public:
  static Scheduler& instance();

  Ticket submit(const std::shared_ptr<Queue>& queue, Operation operation);
  // Claims an idle queue for the calling thread, which then runs the operation itself and calls finish().
  bool try_claim(const std::shared_ptr<Queue>& queue, std::vector<Ticket>& after);
  void finish(const std::shared_ptr<Queue>& queue);

  void wait(const Ticket& ticket);
  bool reached(const Ticket& ticket);
  // The point after everything submitted so far; its queue is null when all of that has already run.
  Ticket outstanding(const std::shared_ptr<Queue>& queue);
  Ticket last(const std::shared_ptr<Queue>& queue);
  // Nothing at all is submitted and unfinished.
  bool idle() const { return unfinished_.load() == 0; }

 private:
  using Lock = std::unique_lock<std::mutex>;
  void work();
  void run_head(const std::shared_ptr<Queue>& queue, Lock& lock);
  void advance(const std::shared_ptr<Queue>& queue);
  bool runnable(const std::shared_ptr<Queue>& queue);
  bool for_any_thread(const Queue& queue) const;
  void offer(const std::shared_ptr<Queue>& queue);
  void ask_again();
  std::shared_ptr<Queue> next();
  void ensure_thread();

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::shared_ptr<Queue>> ready_;
  std::vector<std::shared_ptr<Queue>> polled_;  // queues whose head has to be asked again
  std::atomic<uint64_t> unfinished_{0};
  int threads_ = 0;
  int idle_ = 0;
};

}  // namespace softgpu::driver
