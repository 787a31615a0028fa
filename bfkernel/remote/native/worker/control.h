// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "wire/json.h"
#include "wire/socket.h"

namespace worker {

// The worker's line to its agent: over it come the client's further connections, which the agent accepted and
// checked, and what passes between the workers of a lease. Without one (tests) there is neither.
class Control {
 public:
  explicit Control(int fd) : fd_(fd) {}
  ~Control();

  // Hears the agent's first words. Throws wire::Malformed, std::system_error.
  void greet();
  // What a client must show the agent to join this worker; empty without an agent.
  const std::string& join_key() const { return join_key_; }
  // How the agent calls this worker to others; empty without an agent.
  const std::string& name() const { return name_; }

  using Received = std::function<void(const wire::json::Value& message, wire::Fd descriptor)>;
  // From now on `received` gets each message and what came with it, on a thread of its own.
  void start(Received received);
  // Any thread. False where the agent cannot be told.
  bool send(const wire::json::Object& message, int descriptor = -1);

 private:
  void loop();

  const int fd_;
  std::string join_key_;
  std::string name_;
  Received received_;
  std::thread thread_;
};

}  // namespace worker
