// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>

namespace wire {

// Looks for something for a short while, before its owner goes to sleep for it: the system takes longer to
// wake a sleeper than an answer is often on its way.
//
// How long it looks is learnt: longer after each time that it paid, shorter after each that it did not. Where
// both sides answer each other within microseconds, nobody sleeps; where one computes for long, or has to
// wait for a processor, the other leaves it the processor at once.
class Lookout {
 public:
  // `processors` of which the two sides have one each, if there are two: with one, only who sleeps lets the
  // other side go on.
  explicit Lookout(unsigned processors = all_processors()) : most_(most(processors)) {}

  // Returns true when `there()` holds; false when it has looked for long enough.
  template <class There>
  bool look(There there) {
    if (there()) return true;
    const auto end = Clock::now() + patience_;
    do {
      for (int i = 0; i < kLooks; ++i) {
        __builtin_ia32_pause();
        if (there()) return learn(true);
      }
    } while (Clock::now() < end);
    return learn(false);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kLooks = 8;  // between two looks at the clock

  bool learn(bool it_paid);
  static std::chrono::nanoseconds most(unsigned processors);
  static unsigned all_processors();

  const std::chrono::nanoseconds most_;
  std::chrono::nanoseconds patience_ = most_;
};

// Those on which the calling thread may run.
unsigned own_processors();

}  // namespace wire
