// SPDX-License-Identifier: BSD-3-Clause
// Options of the driver's compiler and linker: numbers travel, log buffers are filled here.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shim/cuda_api.h"
#include "wire/code_messages.h"

namespace shim {

class Jit {
 public:
  Jit() = default;
  Jit(unsigned count, CUjit_option* options, void** values);

  const wire::JitOptions& wire() const { return wire_; }

  // Fills the program's log buffers, and the options whose values come back.
  void deliver(const wire::JitReport& report) const;

 private:
  struct Log {
    char* buffer = nullptr;
    void** size = nullptr;  // in: room; out: bytes written
    void fill(const std::string& text, uint32_t room) const;
  };

  wire::JitOptions wire_;
  Log info_;
  Log error_;
  std::vector<std::pair<uint32_t, void**>> outputs_;  // option, where its value stands
};

}  // namespace shim
