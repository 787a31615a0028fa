// SPDX-License-Identifier: BSD-3-Clause
// Patience with a server that takes nothing for a while, because a kernel runs and what we send has to wait
// for it. TCP cannot tell that from the other side's death by itself: while data waits, the system would give
// up after some time, and the server does not learn of our end, which stands behind the data. So a second
// connection is opened, on which nothing is sent: its end is the end of the other side.
#pragma once

#include <functional>

#include "wire/socket.h"

namespace shim {

class Lifeline {
 public:
  // `open` makes the second connection; it throws Failure where that cannot be.
  explicit Lifeline(std::function<wire::Fd()> open) : open_(std::move(open)) {}

  // A write that waits longer than this for room fails with EAGAIN; then comes wait_on().
  static void limit_writes(int socket);
  // The server has taken nothing for so long. Throws std::system_error when it is gone.
  void wait_on(int socket);
  // It takes data again.
  void resumed(int socket);

  // In the child of a fork.
  void abandon() { fd_.reset(); }

 private:
  void check() const;

  std::function<wire::Fd()> open_;
  wire::Fd fd_;
  bool patient_ = false;
};

}  // namespace shim
