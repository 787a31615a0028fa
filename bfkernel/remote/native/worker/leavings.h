// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "worker/driver.h"
#include "worker/staging.h"

namespace worker {

struct Context;

// What streams that the client has destroyed had left to do. The driver does it still, and has no name for it
// any more: an event at its end tells. Thread-safe.
class Leavings {
 public:
  explicit Leavings(const DriverTable& driver) : driver_(driver) {}

  // The stream, of this context, is about to be destroyed.
  void add(const Context& context, CUstream stream);
  // True where some of it is not done.
  bool any();
  // The context ends, and its work with it.
  void end_context(std::uint64_t id);

 private:
  struct Leaving {
    CUevent done;
    std::shared_ptr<EventPool> events;
    std::uint64_t context;
  };

  const DriverTable& driver_;
  std::mutex mutex_;
  std::vector<Leaving> leavings_;
};

}  // namespace worker
