// SPDX-License-Identifier: BSD-3-Clause
#include "wire/lookout.h"

#include <sched.h>

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
  patience_ = std::clamp(wanted, std::min(kLeast, most_), most_);
  return it_paid;
}

std::chrono::nanoseconds Lookout::most(unsigned processors) { return processors > 1 ? kMost : 0ns; }

unsigned Lookout::all_processors() {
  static const unsigned all = std::thread::hardware_concurrency();
  return all;
}

unsigned own_processors() {
  cpu_set_t own;
  return sched_getaffinity(0, sizeof own, &own) == 0 ? static_cast<unsigned>(CPU_COUNT(&own)) : 1;
}

}  // namespace wire
