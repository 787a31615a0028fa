// SPDX-License-Identifier: BSD-3-Clause
#include "shim/entry.h"

namespace shim {

CUresult absent(const char* name, const char* why) {
  return guarded(name, [&] {
    log::say_once(std::string(name) + " answers CUDA_ERROR_NOT_SUPPORTED: " + why);
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
