// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "worker/memory.h"

namespace worker {

// Gives freed memory back when the GPU can no longer be using it. CUDA's own cuMemFree waits for the GPU;
// here the client does not wait, and a block rests until a synchronisation that began after it was freed is
// over.
class Reclaimer {
 public:
  // `wait_for_gpu` returns when all work that was submitted before it was called is done.
  Reclaimer(Memory& memory, std::function<void()> wait_for_gpu);
  ~Reclaimer();
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  // Starts the thread that does the waiting.
  void start();

  // Takes a retired block.
  void add(std::uint64_t address, const Memory::Block& block);
  // Returns when everything that was added before is reclaimed.
  void flush();
  // True while something waits to be reclaimed.
  bool pending() const;
  // Called when a small block was reclaimed: an empty chunk may be kept, but not for long.
  void watch_slack();

 private:
  struct Rest {
    std::uint64_t address;
    Memory::Block block;
  };
  void loop();
  void reclaim_batch(std::unique_lock<std::mutex>& lock);

  Memory& memory_;
  const std::function<void()> wait_for_gpu_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Rest> resting_;
  std::uint64_t added_ = 0;    // blocks ever
  std::uint64_t settled_ = 0;  // of these reclaimed
  bool hurry_ = false;
  bool slack_watched_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace worker
