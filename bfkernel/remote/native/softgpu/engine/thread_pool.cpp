// SPDX-License-Identifier: BSD-3-Clause
#include "engine/thread_pool.h"

#include <sched.h>

#include <algorithm>

namespace softgpu {

ThreadPool& ThreadPool::instance() {
  // Never destroyed: its threads may still sleep in it when the process exits.
  static auto* pool = new ThreadPool;
  return *pool;
}

ThreadPool::ThreadPool() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  helpers_ = static_cast<uint32_t>(std::max(cores - 1, 0));
  for (uint32_t i = 0; i < helpers_; ++i) std::thread([this] { loop(); }).detach();
}

void ThreadPool::run(uint32_t wanted, const std::function<void(uint32_t)>& work) {
  Job job{&work, std::min(wanted > 0 ? wanted - 1 : 0, helpers_)};
  const uint32_t helpers = job.wanted;
  if (helpers == 0) return work(0);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(&job);
  }
  for (uint32_t i = 0; i < helpers; ++i) arrived_.notify_one();
  work(0);
  std::unique_lock lock(mutex_);
  jobs_.remove(&job);
  finished_.wait(lock, [&] { return job.running == 0; });
}

void ThreadPool::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto open = [this] {
      return std::find_if(jobs_.begin(), jobs_.end(), [](const Job* j) { return j->wanted > 0; });
    };
    arrived_.wait(lock, [&] { return open() != jobs_.end(); });
    Job* job = *open();
    --job->wanted;
    ++job->running;
    const uint32_t index = job->next++;
    lock.unlock();
    (*job->work)(index);
    lock.lock();
    if (--job->running == 0) finished_.notify_all();
  }
}

}  // namespace softgpu
