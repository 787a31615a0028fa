// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "wire/json.h"
#include "wire/segment.h"
#include "wire/socket.h"

namespace worker {

// Where a client that runs on this very machine comes in for shared memory: a name that only processes here
// can reach, told in the greeting, with a key, since other processes here can read the name.
class LocalDoor {
 public:
  // Closed: there is none, because it is not wanted or the system has no such sockets.
  explicit LocalDoor(bool open);

  // What the greeting says of it: null where there is none.
  wire::json::Value offer() const;
  // The client has said that it is there: it gets a segment, over a line that stays open for what follows.
  // Throws std::system_error, wire::Malformed where nobody comes who knows the key.
  wire::Segment admit();
  // The line to the client once it was admitted.
  int line() const { return line_.get(); }

 private:
  std::string name_;
  std::string key_;
  wire::Fd listening_;
  wire::Fd line_;
};

}  // namespace worker
