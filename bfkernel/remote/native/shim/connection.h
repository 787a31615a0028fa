// SPDX-License-Identifier: BSD-3-Clause
// The one connection of this process to its worker: made by the first call that needs the device.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shim/lease.h"
#include "shim/transport.h"
#include "wire/json.h"

namespace shim {

// Where device addresses come from: a range that this process has reserved, so that no host address is in it.
// The worker's allocator uses the lower half, cuMemAddressReserve the upper.
struct Window {
  uint64_t base = 0;
  uint64_t size = 0;
  bool holds(uint64_t address) const { return address - base < size; }
  uint64_t middle() const { return base + size / 2; }
};

// Connects to the agent of a granted lease and says who we are, and what `more` adds to that. Throws
// std::exception.
wire::Fd greet_agent(const lease::File& file, const wire::json::Object& more = {});

// Throws std::runtime_error with a sentence where a worker's greeting is none that we can work with.
void check_offer(const wire::json::Value& offer);

class Connection {
 public:
  Connection(std::unique_ptr<Transport> transport, Window window, std::string join_key)
      : transport_(std::move(transport)), window_(window), join_key_(std::move(join_key)) {}
  Transport& transport() { return *transport_; }
  const Window& window() const { return window_; }
  const std::string& join_key() const { return join_key_; }

 private:
  std::unique_ptr<Transport> transport_;
  Window window_;
  std::string join_key_;  // with which a further connection finds the same worker
};

// The connection, made if there is none yet: waits for the grant. Throws Failure; the next call tries again.
Connection& connection();

// The connection if there is one, else null. Never waits.
Connection* connected();

// A further connection to the same worker, for what `role` says. Throws Failure.
wire::Fd join(std::string_view role);

// An id for a new object, unique in this process.
uint64_t next_id();

}  // namespace shim
