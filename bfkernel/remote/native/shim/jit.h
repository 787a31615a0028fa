// SPDX-License-Identifier: BSD-3-Clause
// Options of the driver's compiler and linker: numbers travel, log buffers are filled here.
#pragma once

#include <string>

#include "shim/cuda_api.h"
#include "wire/messages.h"

namespace shim {

class Jit {
 public:
  Jit() = default;
  Jit(unsigned count, CUjit_option* options, void** values);

  const wire::JitOptions& wire() const { return wire_; }

  // Fills the program's buffers, and the options that report how much was written.
  void deliver(const std::string& info, const std::string& error) const;

 private:
  struct Log {
    char* buffer = nullptr;
    void** size = nullptr;  // in: room; out: bytes written
    void fill(const std::string& text, uint32_t room) const;
  };

  wire::JitOptions wire_;
  Log info_;
  Log error_;
  void** wall_time_ = nullptr;
};

}  // namespace shim
