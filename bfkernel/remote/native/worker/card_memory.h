// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "worker/nvml.h"

namespace worker {

// What this process holds on a card, for measuring what a context costs. NVML tells it without a context; the
// driver could only tell with one, and counts everybody. An emulated device is not known to NVML, and its
// contexts cost nothing.
class CardMemory {
 public:
  explicit CardMemory(Nvml& nvml) : nvml_(nvml) {}

  // Bytes, or 0 where nobody can tell: no NVML, or one that sees other process ids than we do.
  std::uint64_t held(CUdevice device);

 private:
  Nvml& nvml_;
};

}  // namespace worker
