// SPDX-License-Identifier: BSD-3-Clause
// Host memory that a program had pinned. Where the GPU is on another machine it is ordinary memory here.
#pragma once

#include <cstdint>
#include <optional>

#include "shim/contexts.h"
#include "shim/host_blocks.h"

namespace shim::host_memory {

struct Block {
  uint64_t address = 0;
  uint64_t size = 0;
  unsigned flags = 0;
  bool registered = false;  // the program's own memory
  bool shared = false;      // made to be mapped: the GPU uses it at the same address
  uint64_t host_block = 0;  // its name where the worker has it mapped too, else 0
  ContextObject* context = nullptr;
  uint64_t buffer_id = 0;
};

std::optional<Block> find(uint64_t address);
// Where in a host block all of [address, address + size) is, if it is.
std::optional<host_blocks::Place> place(uint64_t address, uint64_t size);

}  // namespace shim::host_memory
