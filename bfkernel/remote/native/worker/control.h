// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "wire/socket.h"

namespace worker {

// The worker's line to its agent: over it come the client's further connections, which the agent accepted and
// checked. Without one (tests) there are none.
class Control {
 public:
  explicit Control(int fd) : fd_(fd) {}
  ~Control();

  // What a client must show the agent to join this worker; empty without an agent. Throws wire::Malformed,
  // std::system_error.
  std::string join_key();
  // From now on `joined` gets each further connection and what it is for, on a thread of its own.
  void start(std::function<void(const std::string& role, wire::Fd connection)> joined);

 private:
  void loop();

  const int fd_;
  std::function<void(const std::string&, wire::Fd)> joined_;
  std::thread thread_;
};

}  // namespace worker
