// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "wire/code_messages.h"
#include "worker/driver.h"

namespace worker {

// JIT options as the driver takes them: two arrays, and the log buffers that two of them point to. The object
// must live as long as the driver writes to the logs, so it does not move.
class Jit {
 public:
  // Throws CudaError where an option's value would be a pointer or is not known to be none.
  explicit Jit(const wire::JitOptions& options);
  Jit(const Jit&) = delete;
  Jit& operator=(const Jit&) = delete;

  unsigned count() const { return static_cast<unsigned>(names_.size()); }
  CUjit_option* names() { return names_.data(); }
  void** values() { return values_.data(); }
  wire::JitReport report() const;

 private:
  void add(CUjit_option name, void* value);
  void add_log(CUjit_option buffer, CUjit_option size, std::vector<char>& log, std::uint32_t wanted);

  std::vector<CUjit_option> names_;
  std::vector<void*> values_;
  std::vector<char> info_;
  std::vector<char> error_;
};

}  // namespace worker
