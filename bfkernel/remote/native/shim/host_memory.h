// SPDX-License-Identifier: BSD-3-Clause
// Host memory that a program had pinned. Here it is ordinary memory: the GPU is on another machine.
#pragma once

#include <cstdint>
#include <optional>

#include "shim/contexts.h"

namespace shim::host_memory {

struct Block {
  uint64_t address = 0;
  uint64_t size = 0;
  unsigned flags = 0;
  bool registered = false;  // the program's own memory
  bool shared = false;      // made to be mapped: the GPU uses it at the same address
  ContextObject* context = nullptr;
  uint64_t buffer_id = 0;
};

std::optional<Block> find(uint64_t address);

}  // namespace shim::host_memory
