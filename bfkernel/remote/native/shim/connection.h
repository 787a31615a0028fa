// SPDX-License-Identifier: BSD-3-Clause
// The one connection of this process to its worker: made by the first call that needs the device.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "shim/transport.h"

namespace shim {

// Where device addresses come from: a range that this process has reserved, so that no host address is in it.
// The worker's allocator uses the lower half, cuMemAddressReserve the upper.
struct Window {
  uint64_t base = 0;
  uint64_t size = 0;
  bool holds(uint64_t address) const { return address - base < size; }
  uint64_t middle() const { return base + size / 2; }
};

class Connection {
 public:
  Connection(std::unique_ptr<Transport> transport, Window window)
      : transport_(std::move(transport)), window_(window) {}
  Transport& transport() { return *transport_; }
  const Window& window() const { return window_; }

 private:
  std::unique_ptr<Transport> transport_;
  Window window_;
};

// The connection, made if there is none yet: waits for the grant. Throws Failure; the next call tries again.
Connection& connection();

// The connection if there is one, else null. Never waits.
Connection* connected();

// An id for a new object, unique in this process.
uint64_t next_id();

}  // namespace shim
