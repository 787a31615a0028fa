// SPDX-License-Identifier: BSD-3-Clause
#include "scheduler.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <thread>

namespace softgpu::driver {
namespace {

// Host callbacks may block, so the number of threads follows the number of busy streams up to this.
constexpr int kMostThreads = 128;
constexpr auto kIdleTime = std::chrono::seconds(2);
constexpr auto kPollInterval = std::chrono::microseconds(200);

// The program's signals are for the program's own threads.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

Scheduler& Scheduler::instance() {
  static auto* scheduler = new Scheduler;
  return *scheduler;
}

Ticket Scheduler::submit(const std::shared_ptr<Queue>& queue, Operation operation) {
  Lock lock(mutex_);
  unfinished_.fetch_add(1);
  uint64_t sequence = ++queue->submitted_;
  queue->pending_.push_back(std::move(operation));
  offer(queue);
  return {queue, sequence};
}

bool Scheduler::try_claim(const std::shared_ptr<Queue>& queue, std::vector<Ticket>& after) {
  Lock lock(mutex_);
  if (queue->claimed_ || !queue->pending_.empty()) return false;
  for (const Ticket& ticket : after) {
    if (ticket.queue->completed_ < ticket.sequence) return false;
  }
  queue->claimed_ = true;
  ++queue->submitted_;
  unfinished_.fetch_add(1);
  return true;
}

void Scheduler::finish(const std::shared_ptr<Queue>& queue) {
  Lock lock(mutex_);
  advance(queue);
  offer(queue);
}

bool Scheduler::reached(const Ticket& ticket) {
  if (!ticket.queue) return true;
  Lock lock(mutex_);
  return ticket.queue->completed_ >= ticket.sequence;
}

Ticket Scheduler::outstanding(const std::shared_ptr<Queue>& queue) {
  Lock lock(mutex_);
  if (queue->completed_ == queue->submitted_) return {};
  return {queue, queue->submitted_};
}

Ticket Scheduler::last(const std::shared_ptr<Queue>& queue) {
  Lock lock(mutex_);
  return {queue, queue->submitted_};
}

void Scheduler::wait(const Ticket& ticket) {
  if (!ticket.queue) return;
  const std::shared_ptr<Queue>& queue = ticket.queue;
  Lock lock(mutex_);
  while (queue->completed_ < ticket.sequence) {
    if (!queue->claimed_ && for_any_thread(*queue) && runnable(queue)) {
      run_head(queue, lock);
      continue;
    }
    offer(queue);
    // Whatever holds the queue up is listed, claimed or polled, so a pool thread will get it going.
    ++queue->waiters_;
    queue->progress_.wait(lock);
    --queue->waiters_;
  }
  offer(queue);
}

void Scheduler::run_head(const std::shared_ptr<Queue>& queue, Lock& lock) {
  queue->claimed_ = true;
  Operation operation = std::move(queue->pending_.front());
  queue->pending_.pop_front();
  lock.unlock();
  if (operation.run) operation.run();
  operation = {};  // what it holds may be large, or take locks to let go
  lock.lock();
  advance(queue);
}

// The claimed head has run: everybody who waited for it may look again.
void Scheduler::advance(const std::shared_ptr<Queue>& queue) {
  queue->claimed_ = false;
  ++queue->completed_;
  unfinished_.fetch_sub(1);
  if (queue->waiters_ > 0) queue->progress_.notify_all();
  std::vector<std::weak_ptr<Queue>> parked = std::move(queue->parked_);
  queue->parked_.clear();
  for (const auto& weak : parked) {
    std::shared_ptr<Queue> other = weak.lock();
    if (!other) continue;
    if (other->parked_at_ == queue.get()) other->parked_at_ = nullptr;
    offer(other);
  }
}

// Whether the head can run now. If not, the queue is parked where it will be woken.
bool Scheduler::runnable(const std::shared_ptr<Queue>& queue) {
  if (queue->pending_.empty()) return false;
  Operation& head = queue->pending_.front();
  while (!head.after.empty()) {
    const Ticket& ticket = head.after.back();
    if (ticket.queue && ticket.queue->completed_ < ticket.sequence) {
      if (queue->parked_at_ != ticket.queue.get()) ticket.queue->parked_.push_back(queue);
      queue->parked_at_ = ticket.queue.get();
      return false;
    }
    head.after.pop_back();
  }
  if (head.ready && !head.ready()) {
    if (std::find(polled_.begin(), polled_.end(), queue) == polled_.end()) polled_.push_back(queue);
    ensure_thread();
    return false;
  }
  return true;
}

bool Scheduler::for_any_thread(const Queue& queue) const {
  return queue.pending_.empty() || !queue.pending_.front().calls_program;
}

// Lists the queue for the pool if its head can run.
void Scheduler::offer(const std::shared_ptr<Queue>& queue) {
  if (queue->claimed_ || queue->listed_ || !runnable(queue)) return;
  queue->listed_ = true;
  auto later = std::find_if(ready_.begin(), ready_.end(),
                            [&](const auto& other) { return other->priority_ > queue->priority_; });
  ready_.insert(later, queue);
  ensure_thread();
}

void Scheduler::ensure_thread() {
  if (idle_ > 0) {
    work_.notify_one();
    return;
  }
  if (threads_ >= kMostThreads) return;
  ++threads_;
  SignalsBlocked blocked;
  std::thread([this] { work(); }).detach();
}

void Scheduler::ask_again() {
  std::vector<std::shared_ptr<Queue>> polled = std::move(polled_);
  polled_.clear();
  for (const auto& queue : polled) offer(queue);
}

// The next queue to run, or null after a while without any.
std::shared_ptr<Queue> Scheduler::next() {
  while (!ready_.empty()) {
    std::shared_ptr<Queue> queue = std::move(ready_.front());
    ready_.pop_front();
    queue->listed_ = false;
    if (!queue->claimed_ && runnable(queue)) return queue;
  }
  return nullptr;
}

void Scheduler::work() {
  pthread_setname_np(pthread_self(), "softgpu-stream");
  Lock lock(mutex_);
  while (true) {
    if (std::shared_ptr<Queue> queue = next()) {
      // Somebody has to take what else is ready, and to go on asking, while this thread is busy.
      if (!ready_.empty() || !polled_.empty()) ensure_thread();
      run_head(queue, lock);
      offer(queue);
      continue;
    }
    bool polling = !polled_.empty();
    auto patience = polling ? std::chrono::duration_cast<std::chrono::nanoseconds>(kPollInterval)
                            : std::chrono::duration_cast<std::chrono::nanoseconds>(kIdleTime);
    ++idle_;
    bool woken = work_.wait_for(lock, patience) == std::cv_status::no_timeout;
    --idle_;
    if (!polled_.empty()) {
      ask_again();
    } else if (!woken && ready_.empty() && !polling) {
      --threads_;
      return;
    }
  }
}

}  // namespace softgpu::driver
