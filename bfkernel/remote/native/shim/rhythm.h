// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>

namespace shim {

// Tells who serves something whether it comes so often that it is cheaper to look now and then than to be
// woken for each.
class Rhythm {
 public:
  // How long to look away; about as long again goes by until the system wakes who does (its timer slack).
  static constexpr std::chrono::microseconds kLook{50};

  void beat() { ++beats_; }

  // Whether there was at least a beat for every kLook since this was asked before.
  bool dense() {
    const auto now = Clock::now();
    const bool dense = beats_ * kLook >= now - since_;
    since_ = now;
    beats_ = 0;
    return dense;
  }

 private:
  using Clock = std::chrono::steady_clock;

  unsigned beats_ = 0;
  Clock::time_point since_{};
};

}  // namespace shim
