// SPDX-License-Identifier: BSD-3-Clause
#include "shim/jit.h"

#include <algorithm>
#include <cstring>

#include "shim/failure.h"

namespace shim {
namespace {

// Options whose value is an address in the program: lists of symbols, mostly unused.
bool points(CUjit_option option) {
  switch (option) {
    case CU_JIT_GLOBAL_SYMBOL_NAMES:
    case CU_JIT_GLOBAL_SYMBOL_ADDRESSES:
    case CU_JIT_REFERENCED_KERNEL_NAMES:
    case CU_JIT_REFERENCED_VARIABLE_NAMES:
      return true;
    default:
      return false;
  }
}

uint32_t number(void* value) { return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(value)); }

}  // namespace

Jit::Jit(unsigned count, CUjit_option* options, void** values) {
  if (count == 0) return;
  require(options);
  require(values);
  for (unsigned i = 0; i < count; ++i) {
    switch (options[i]) {
      case CU_JIT_INFO_LOG_BUFFER:
        info_.buffer = static_cast<char*>(values[i]);
        break;
      case CU_JIT_ERROR_LOG_BUFFER:
        error_.buffer = static_cast<char*>(values[i]);
        break;
      case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
        wire_.info_log_size = number(values[i]);
        info_.size = &values[i];
        break;
      case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
        wire_.error_log_size = number(values[i]);
        error_.size = &values[i];
        break;
      case CU_JIT_WALL_TIME:
        wall_time_ = &values[i];
        break;
      default:
        require(!points(options[i]) || !values[i], CUDA_ERROR_NOT_SUPPORTED);
        if (!points(options[i]))
          wire_.options.push_back({static_cast<uint32_t>(options[i]), reinterpret_cast<uint64_t>(values[i])});
    }
  }
}

void Jit::Log::fill(const std::string& text, uint32_t room) const {
  if (!buffer || room == 0) return;
  const size_t length = std::min<size_t>(text.size(), room - 1);
  std::memcpy(buffer, text.data(), length);
  buffer[length] = '\0';
  if (size) *size = reinterpret_cast<void*>(length);
}

void Jit::deliver(const std::string& info, const std::string& error) const {
  info_.fill(info, wire_.info_log_size);
  error_.fill(error, wire_.error_log_size);
  if (wall_time_) *wall_time_ = nullptr;  // a float, and the time went by elsewhere
}

}  // namespace shim
