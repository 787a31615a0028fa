// SPDX-License-Identifier: BSD-3-Clause
// The options of cuModuleLoadDataEx, cuLibraryLoadData and the linker: above all, where messages go.
#pragma once

#include <chrono>
#include <cstddef>

#include "api.h"
#include "engine/engine.h"

namespace softgpu::driver {

class JitOptions {
 public:
  // Throws INVALID_VALUE for an option that does not exist. The arrays stay the caller's and are written to.
  JitOptions(unsigned count, CUjit_option* options, void** values);
  // Fills the log buffers and writes back how much is in them, and how long it took.
  void report(const JitLog& log) const;
  int max_registers() const { return max_registers_; }  // 0: any number

 private:
  struct Buffer {
    char* data = nullptr;
    size_t size = 0;
    void** written = nullptr;
  };
  static void fill(const Buffer& buffer, const std::string& text);

  Buffer info_;
  Buffer error_;
  void** wall_time_ = nullptr;
  int max_registers_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace softgpu::driver
