// SPDX-License-Identifier: BSD-3-Clause
#include "wire/lookout.h"

#include <algorithm>
#include <thread>

namespace wire {
namespace {

using namespace std::chrono_literals;

constexpr auto kMost = std::chrono::nanoseconds(50us);
constexpr auto kLeast = std::chrono::nanoseconds(2us);

}  // namespace

bool Lookout::learn(bool it_paid) {
  const auto wanted = it_paid ? 2 * patience_ : patience_ / 2;
  patience_ = std::clamp(wanted, std::min(kLeast, most()), most());
  return it_paid;
}

// With one processor only who sleeps lets the other side go on.
std::chrono::nanoseconds Lookout::most() {
  static const auto most = std::thread::hardware_concurrency() > 1 ? kMost : 0ns;
  return most;
}

}  // namespace wire
