// SPDX-License-Identifier: BSD-3-Clause
// Patience with a server that takes nothing for a while, because a kernel runs and what we send has to wait
// for it. TCP cannot tell that from the other side's death by itself: while data waits, the system would give
// up after some time, and the server does not learn of our end, which stands behind the data. So a second
// connection is opened, on which nothing is sent: its end is the end of the other side.
#pragma once

#include <functional>
#include <system_error>

#include "wire/socket.h"

namespace shim {

class Lifeline {
 public:
  // Of the connection `socket`. `open` makes the second one; it throws Failure where that cannot be.
  Lifeline(int socket, std::function<wire::Fd()> open) : socket_(socket), open_(std::move(open)) {}

  // A write that waits long for room fails with EAGAIN from now on.
  static void limit_writes(int socket);
  // Repeats `write`, which goes on where it stopped, for as long as the server lives. One thread at a time.
  // Throws std::system_error.
  template <class Write>
  void patiently(const Write& write) {
    while (true) {
      try {
        write();
        return resumed();
      } catch (const std::system_error& error) {
        if (error.code() != std::errc::resource_unavailable_try_again) throw;
        wait();
      }
    }
  }

  // In the child of a fork.
  void abandon() { fd_.reset(); }

 private:
  void wait();
  void resumed();
  void check() const;

  const int socket_;
  std::function<wire::Fd()> open_;
  wire::Fd fd_;
  bool patient_ = false;
};

}  // namespace shim
