// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "worker/driver.h"

namespace worker {

// The range of addresses that client and worker agree on: every device address lies in it, and in the client
// nothing else does.
struct Window {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
};

constexpr unsigned kWindowOffers = 8;

// Reserves the range of the given offer (0 … kWindowOffers - 1), each elsewhere. Throws DriverError.
Window reserve_window(const DriverTable& driver, std::uint64_t size, std::uint64_t alignment, unsigned offer);
void free_window(const DriverTable& driver, const Window& window);

}  // namespace worker
