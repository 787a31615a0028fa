// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace wire {

// How one side of shared memory waits for the other: it looks for a short while, then it sleeps on a word of
// the memory (a futex) until the other side rings.
//
// How long it looks is learnt: longer after each time that it paid, shorter after each that it did not. Where
// both sides answer each other within microseconds, nobody sleeps; where one computes for long, or has to
// wait for a processor, the other leaves it the processor at once.
class Doorbell {
 public:
  // `sleeps`, in shared memory: 1 while somebody sleeps, or is about to. The other side may write anything
  // there: at worst a wait lasts to its limit.
  explicit Doorbell(std::atomic<std::uint32_t>& sleeps) : sleeps_(sleeps) {}

  // Returns true when `there()` holds, false when `limit` has passed. One thread at a time.
  template <class There>
  bool wait(std::chrono::milliseconds limit, There there) {
    const Clock::time_point begin = Clock::now();
    return look(begin, there) || sleep(begin + limit, there);
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
  bool look(Clock::time_point begin, There there) {
    constexpr int kLooks = 16;  // between two looks at the clock
    for (;;) {
      for (int i = 0; i < kLooks; ++i) {
        if (there()) {
          it_paid(true);
          return true;
        }
        __builtin_ia32_pause();
      }
      if (Clock::now() - begin > patience_) {
        it_paid(false);
        return false;
      }
    }
  }

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
  void it_paid(bool looking);

  std::atomic<std::uint32_t>& sleeps_;
  std::chrono::nanoseconds patience_ = most_patience();
  static std::chrono::nanoseconds most_patience();
};

}  // namespace wire
