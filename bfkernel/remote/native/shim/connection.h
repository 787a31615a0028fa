// SPDX-License-Identifier: BSD-3-Clause
// The one connection of this process to its worker: made by the first call that needs the device.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "shim/lease.h"
#include "shim/lifeline.h"
#include "shim/transport.h"
#include "wire/json.h"
#include "wire/segment.h"

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

// What both sides agreed on in their greetings.
struct Agreement {
  Window window;
  std::string join_key;                // with which a further connection finds the same worker
  std::shared_ptr<Lifeline> lifeline;  // null where memory is shared
  unsigned stripes = 0;                // how many are to be opened
  // Where the worker is on this machine: the way by which descriptors go to it, and memory that both have.
  wire::Fd line;
  std::optional<wire::Segment> segment;
};

class Connection {
 public:
  Connection(std::unique_ptr<Transport> transport, Agreement agreement)
      : transport_(std::move(transport)), agreed_(std::move(agreement)), stripes_to_open_(agreed_.stripes) {}
  Transport& transport() { return *transport_; }
  const Window& window() const { return agreed_.window; }
  const std::string& join_key() const { return agreed_.join_key; }
  // Null where the worker is on another machine.
  const wire::Segment* segment() const { return agreed_.segment ? &*agreed_.segment : nullptr; }
  int line() const { return agreed_.line.get(); }
  const std::shared_ptr<Lifeline>& lifeline() const { return agreed_.lifeline; }
  // The caller opens them: who asks next is told none.
  unsigned take_stripes_to_open() { return stripes_to_open_.exchange(0, std::memory_order_relaxed); }

  // In the child of a fork.
  void abandon_after_fork() {
    transport_->abandon_after_fork();
    agreed_.line.reset();
  }

 private:
  std::unique_ptr<Transport> transport_;
  Agreement agreed_;
  std::atomic<unsigned> stripes_to_open_;
};

// The connection, made if there is none yet: waits for the grant. Throws Failure; the next call tries again.
Connection& connection();

// The connection if there is one, else null. Never waits.
Connection* connected();

// A further connection to the same worker, for what `role` says. Throws Failure, std::exception.
wire::Fd greet_worker(const Connection& first, std::string_view role);
// The same, but one that the program needs: tells why it cannot be had, and throws Failure.
wire::Fd join(std::string_view role);

// An id for a new object, unique in this process.
uint64_t next_id();

}  // namespace shim
