// SPDX-License-Identifier: BSD-3-Clause
#include "jit_options.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace softgpu::driver {

JitOptions::JitOptions(unsigned count, CUjit_option* options, void** values) {
  require(count == 0 || (options != nullptr && values != nullptr));
  for (unsigned i = 0; i < count; ++i) {
    size_t number = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
    switch (options[i]) {
      case CU_JIT_INFO_LOG_BUFFER:
        info_.data = static_cast<char*>(values[i]);
        break;
      case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
        info_.size = number;
        info_.written = &values[i];
        break;
      case CU_JIT_ERROR_LOG_BUFFER:
        error_.data = static_cast<char*>(values[i]);
        break;
      case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
        error_.size = number;
        error_.written = &values[i];
        break;
      case CU_JIT_WALL_TIME:
        wall_time_ = &values[i];
        break;
      case CU_JIT_MAX_REGISTERS:
        max_registers_ = static_cast<int>(std::min<size_t>(number, 255));
        break;
      // The rest tunes code generation, of which there is none: PTX is executed as it stands.
      default:
        require(options[i] >= 0 && options[i] < CU_JIT_NUM_OPTIONS);
    }
  }
}

void JitOptions::fill(const Buffer& buffer, const std::string& text) {
  size_t written = 0;
  if (buffer.data && buffer.size > 0) {
    written = std::min(text.size(), buffer.size - 1);
    std::memcpy(buffer.data, text.data(), written);
    buffer.data[written] = '\0';
  }
  if (buffer.written) *buffer.written = reinterpret_cast<void*>(written);
}

void JitOptions::report(const JitLog& log) const {
  fill(info_, log.info);
  fill(error_, log.error);
  if (!wall_time_) return;
  float milliseconds =
      std::chrono::duration<float, std::milli>(std::chrono::steady_clock::now() - start_).count();
  std::memcpy(wall_time_, &milliseconds, sizeof milliseconds);
}

}  // namespace softgpu::driver
