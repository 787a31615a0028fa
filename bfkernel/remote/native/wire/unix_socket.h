// SPDX-License-Identifier: BSD-3-Clause
// Sockets within one machine, over which descriptors travel. They keep messages apart (SOCK_SEQPACKET).
#pragma once

#include <chrono>
#include <string>

#include "wire/socket.h"

namespace wire {

struct Letter {
  std::string text;  // empty: the other side has closed the line
  Fd descriptor;     // none came where it is empty
};

// One whole message, of 4096 bytes at most. Throws std::system_error, also where `limit` passes (zero:
// never).
Letter receive_letter(int fd, std::chrono::milliseconds limit = {});

// False where the other side cannot be told.
bool send_letter(int fd, const std::string& text, int descriptor = -1);

// A name that only processes of this machine (of its network namespace) can reach. It needs no file, and ends
// with its socket. Throws std::system_error.
Fd listen_locally(const std::string& name);
// No descriptor where nobody listens there.
Fd connect_locally(const std::string& name);

}  // namespace wire
