// SPDX-License-Identifier: BSD-3-Clause
#include "worker/lanes.h"

#include <pthread.h>

#include <system_error>
#include <utility>

namespace worker {

Lanes::~Lanes() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    work_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void Lanes::run(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  if (tasks_.size() <= idle_ || threads_.size() == kMost) {
    work_.notify_one();
    return;
  }
  try {
    threads_.emplace_back([this] { loop(); });
  } catch (const std::system_error&) {
    // No thread to be had: another lane takes the task when it is done. The first must exist.
    if (threads_.empty()) throw;
  }
}

bool Lanes::busy() {
  const std::lock_guard lock(mutex_);
  return !tasks_.empty() || idle_ < threads_.size();
}

void Lanes::loop() {
  pthread_setname_np(pthread_self(), "lane");
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    work_.wait(lock, [this] { return !tasks_.empty() || ending_; });
    --idle_;
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    try {
      task();
    } catch (const std::exception& error) {
      failed_(error);
    }
    task = nullptr;  // what it holds may take long to end, or need a lane
    lock.lock();
  }
}

}  // namespace worker
