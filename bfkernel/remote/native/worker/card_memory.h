// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "worker/driver.h"

namespace worker {

// What is free on the whole card, for measuring what a context costs. NVML tells it without a context; the
// driver only with one, so that the first context of a process would go unmeasured. An emulated driver is
// not known to NVML, and its contexts cost nothing.
class CardMemory {
 public:
  explicit CardMemory(const DriverTable& driver);

  // Bytes, or 0 where nobody can tell. Needs no context.
  std::uint64_t free_bytes(CUdevice device);

 private:
  void* nvml_device(CUdevice device);

  const DriverTable& driver_;
  void* library_ = nullptr;
  std::map<CUdevice, void*> devices_;
};

}  // namespace worker
