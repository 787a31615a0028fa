// SPDX-License-Identifier: BSD-3-Clause
#include "shim/jit.h"

#include <algorithm>
#include <cstring>

#include "shim/failure.h"

namespace shim {
namespace {

// Which kernels and variables a program will use: a hint to leave out the others, which costs nothing to
// ignore. Its lists of names would have to travel for that.
bool is_hint(CUjit_option option) {
  switch (option) {
    case CU_JIT_REFERENCED_KERNEL_NAMES:
    case CU_JIT_REFERENCED_KERNEL_COUNT:
    case CU_JIT_REFERENCED_VARIABLE_NAMES:
    case CU_JIT_REFERENCED_VARIABLE_COUNT:
      return true;
    default:
      return false;
  }
}

// Symbols that the program places at addresses of its own process.
bool places_symbols(CUjit_option option) {
  return option == CU_JIT_GLOBAL_SYMBOL_NAMES || option == CU_JIT_GLOBAL_SYMBOL_ADDRESSES ||
         option == CU_JIT_GLOBAL_SYMBOL_COUNT;
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
      case CU_JIT_THREADS_PER_BLOCK:
      case CU_JIT_WALL_TIME:
        outputs_.emplace_back(options[i], &values[i]);
        [[fallthrough]];
      default:
        if (is_hint(options[i])) break;
        require(!places_symbols(options[i]) || !values[i], CUDA_ERROR_NOT_SUPPORTED);
        if (!places_symbols(options[i]))
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

void Jit::deliver(const wire::JitReport& report) const {
  info_.fill(report.info_log, wire_.info_log_size);
  error_.fill(report.error_log, wire_.error_log_size);
  for (const wire::JitOption& output : report.outputs)
    for (const auto& [option, value] : outputs_)
      if (option == output.option) *value = reinterpret_cast<void*>(output.value);
}

}  // namespace shim
