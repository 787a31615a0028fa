// SPDX-License-Identifier: BSD-3-Clause
#include "worker/jit.h"

#include <algorithm>

#include "worker/session.h"

namespace worker {
namespace {

constexpr std::uint32_t kMostLog = 16 << 20;  // bytes

bool is_number(std::uint32_t option) {
  switch (option) {
    case CU_JIT_MAX_REGISTERS:
    case CU_JIT_THREADS_PER_BLOCK:
    case CU_JIT_WALL_TIME:
    case CU_JIT_OPTIMIZATION_LEVEL:
    case CU_JIT_TARGET_FROM_CUCONTEXT:
    case CU_JIT_TARGET:
    case CU_JIT_FALLBACK_STRATEGY:
    case CU_JIT_GENERATE_DEBUG_INFO:
    case CU_JIT_LOG_VERBOSE:
    case CU_JIT_GENERATE_LINE_INFO:
    case CU_JIT_CACHE_MODE:
    case CU_JIT_FAST_COMPILE:
    case CU_JIT_LTO:
    case CU_JIT_FTZ:
    case CU_JIT_PREC_DIV:
    case CU_JIT_PREC_SQRT:
    case CU_JIT_FMA:
    case CU_JIT_OPTIMIZE_UNUSED_DEVICE_VARIABLES:
    case CU_JIT_POSITION_INDEPENDENT_CODE:
    case CU_JIT_MIN_CTA_PER_SM:
    case CU_JIT_MAX_THREADS_PER_BLOCK:
    case CU_JIT_OVERRIDE_DIRECTIVE_VALUES:
    case CU_JIT_SPLIT_COMPILE:
    case CU_JIT_BINARY_LOADER_THREAD_COUNT:
      return true;
    default:
      return false;
  }
}

// The driver writes the value back.
bool is_output(std::uint32_t option) {
  return option == CU_JIT_THREADS_PER_BLOCK || option == CU_JIT_WALL_TIME;
}

std::string text(const std::vector<char>& log) {
  return {log.begin(), std::find(log.begin(), log.end(), '\0')};
}

}  // namespace

Jit::Jit(const wire::JitOptions& options) {
  for (const wire::JitOption& option : options.options) {
    if (!is_number(option.option)) throw CudaError{CUDA_ERROR_NOT_SUPPORTED};
    add(static_cast<CUjit_option>(option.option), reinterpret_cast<void*>(option.value));
  }
  add_log(CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, info_, options.info_log_size);
  add_log(CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, error_, options.error_log_size);
}

void Jit::add(CUjit_option name, void* value) {
  names_.push_back(name);
  values_.push_back(value);
}

void Jit::add_log(CUjit_option buffer, CUjit_option size, std::vector<char>& log, std::uint32_t wanted) {
  if (wanted == 0) return;
  log.resize(std::min(wanted, kMostLog));
  add(buffer, log.data());
  add(size, reinterpret_cast<void*>(log.size()));
}

wire::JitReport Jit::report() const {
  wire::JitReport out{text(info_), text(error_), {}};
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto option = static_cast<std::uint32_t>(names_[i]);
    if (is_output(option)) out.outputs.push_back({option, reinterpret_cast<std::uint64_t>(values_[i])});
  }
  return out;
}

}  // namespace worker
