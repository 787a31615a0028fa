// SPDX-License-Identifier: BSD-3-Clause
#include "wire/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace wire {
namespace {

// Of shared memory between processes, so not FUTEX_PRIVATE_FLAG.
long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* limit) {
  return syscall(SYS_futex, &word, operation, value, limit, nullptr, 0);
}

}  // namespace

void Doorbell::wake() {
  sleeps_.store(0, std::memory_order_seq_cst);
  futex(sleeps_, FUTEX_WAKE, 1, nullptr);
}

void Doorbell::sleep_for(std::chrono::nanoseconds limit) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
  const timespec time{seconds.count(), (limit - seconds).count()};
  futex(sleeps_, FUTEX_WAIT, 1, &time);
}

}  // namespace wire
