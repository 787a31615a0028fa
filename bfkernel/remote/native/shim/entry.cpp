// SPDX-License-Identifier: BSD-3-Clause
#include "shim/entry.h"

namespace shim {

CUresult absent(const char* name) {
  return guarded(name, [&] {
    log::say_once(std::string(name) + " is not supported: the call answers CUDA_ERROR_NOT_SUPPORTED");
    return CUDA_ERROR_NOT_SUPPORTED;
  });
}

CUresult unexpected(const char* name, const char* what) noexcept {
  try {
    log::say(std::string(name) + ": " + what);
  } catch (const std::exception&) {
    // Out of memory while telling: the result says enough.
  }
  return CUDA_ERROR_UNKNOWN;
}

}  // namespace shim
