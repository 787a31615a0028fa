// SPDX-License-Identifier: BSD-3-Clause
#include "worker/reclaimer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace worker {
namespace {

// One synchronisation serves all that is freed within a moment.
constexpr auto kGather = std::chrono::milliseconds(1);
constexpr auto kSlackKept = std::chrono::milliseconds(100);

}  // namespace

Reclaimer::Reclaimer(Memory& memory, std::function<void()> wait_for_gpu)
    : memory_(memory), wait_for_gpu_(std::move(wait_for_gpu)) {}

Reclaimer::~Reclaimer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Reclaimer::start() {
  thread_ = std::thread([this] { loop(); });
}

void Reclaimer::add(std::uint64_t address, const Memory::Block& block) {
  const std::lock_guard lock(mutex_);
  resting_.push_back({address, block});
  ++added_;
  if (resting_.size() == 1) changed_.notify_all();
}

void Reclaimer::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = added_;
  hurry_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return settled_ >= wanted; });
}

bool Reclaimer::pending() const {
  const std::lock_guard lock(mutex_);
  return settled_ != added_;
}

void Reclaimer::watch_slack() {
  const std::lock_guard lock(mutex_);
  if (slack_watched_) return;
  slack_watched_ = true;
  changed_.notify_all();
}

void Reclaimer::loop() {
  pthread_setname_np(pthread_self(), "reclaimer");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const auto awake = [this] { return !resting_.empty() || ending_; };
    if (!slack_watched_) {
      changed_.wait(lock, [&] { return awake() || slack_watched_; });
    } else if (!changed_.wait_for(lock, kSlackKept, awake)) {
      slack_watched_ = false;
      memory_.release_slack();
    }
    if (resting_.empty()) continue;
    changed_.wait_for(lock, kGather, [this] { return hurry_ || ending_; });
    reclaim_batch(lock);
  }
  if (!resting_.empty()) reclaim_batch(lock);
}

void Reclaimer::reclaim_batch(std::unique_lock<std::mutex>& lock) {
  const std::vector<Rest> batch = std::exchange(resting_, {});
  hurry_ = false;
  lock.unlock();
  wait_for_gpu_();
  for (const Rest& rest : batch) memory_.reclaim(rest.address, rest.block);
  lock.lock();
  settled_ += batch.size();
  slack_watched_ = true;
  changed_.notify_all();
}

}  // namespace worker
