// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cerrno>
#include <system_error>

namespace wire {

// A call of the system's has just failed and has set errno.
[[noreturn]] inline void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace wire
