// SPDX-License-Identifier: BSD-3-Clause
#include "worker/watcher.h"

#include <pthread.h>

#include <algorithm>

namespace worker {
namespace {

constexpr std::chrono::nanoseconds kFirstLook = std::chrono::microseconds(20);
constexpr std::chrono::nanoseconds kLastLook = std::chrono::milliseconds(1);

}  // namespace

Watcher::~Watcher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

bool Watcher::has_room() const {
  const std::lock_guard lock(mutex_);
  return watched_.size() < kMost;
}

void Watcher::add(const Watch& watch) {
  const std::lock_guard lock(mutex_);
  watched_.push_back({watch, Clock::now()});
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  changed_.notify_all();
}

void Watcher::loop() {
  pthread_setname_np(pthread_self(), "watcher");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (watched_.empty()) {
      changed_.wait(lock);
      continue;
    }
    // The age of the youngest: what has taken long may be told a little later.
    const auto age = Clock::now() - watched_.back().since;
    changed_.wait_for(lock, std::clamp<std::chrono::nanoseconds>(age / 8, kFirstLook, kLastLook));
    look(lock);
  }
}

// Not under the lock while it asks and reports: the driver and the client may take their time.
void Watcher::look(std::unique_lock<std::mutex>& lock) {
  const std::vector<Watched> now = watched_;
  std::vector<std::uint32_t> told;
  lock.unlock();
  for (const Watched& one : now) {
    const std::optional<CUresult> result = ask_(one.watch);
    if (!result || *result == CUDA_ERROR_NOT_READY) continue;
    report_(one.watch, *result);
    told.push_back(one.watch.sequence);
  }
  lock.lock();
  if (told.empty()) return;
  std::erase_if(watched_, [&](const Watched& one) {
    return std::find(told.begin(), told.end(), one.watch.sequence) != told.end();
  });
}

}  // namespace worker
