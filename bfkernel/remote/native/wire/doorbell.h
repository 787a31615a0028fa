// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "wire/lookout.h"

namespace wire {

// How one side of shared memory waits for the other: it looks for a short while, then it sleeps on a word of
// the memory (a futex) until the other side rings.
class Doorbell {
 public:
  // `sleeps`, in shared memory: 1 while somebody sleeps, or is about to. The other side may write anything
  // there: at worst a wait lasts to its limit.
  explicit Doorbell(std::atomic<std::uint32_t>& sleeps) : sleeps_(sleeps) {}

  // Returns true when `there()` holds, false when `limit` has passed. One thread at a time.
  template <class There>
  bool wait(std::chrono::milliseconds limit, There there) {
    return lookout_.look(there) || sleep(Clock::now() + limit, there);
  }

  // After a change of what the other side waits for, which was written with sequential consistency.
  void ring() {
    if (sleeps_.load(std::memory_order_seq_cst) != 0) [[unlikely]]
      wake();
  }
  void wake();

 private:
  using Clock = std::chrono::steady_clock;

  template <class There>
  bool sleep(Clock::time_point end, There there) {
    for (;;) {
      sleeps_.store(1, std::memory_order_seq_cst);
      const bool came = there();
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(end - Clock::now());
      if (came || left.count() <= 0) {
        sleeps_.store(0, std::memory_order_relaxed);
        return came;
      }
      sleep_for(left);
    }
  }

  void sleep_for(std::chrono::nanoseconds limit);

  std::atomic<std::uint32_t>& sleeps_;
  Lookout lookout_;
};

}  // namespace wire
