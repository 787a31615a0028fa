// SPDX-License-Identifier: BSD-3-Clause
// How the shim's own code says that a call failed: thrown anywhere, returned by the exported symbol.
#pragma once

#include "shim/cuda_api.h"

namespace shim {

struct Failure {
  CUresult result;
};

// A pointer that the caller must not leave NULL.
inline void require(const void* pointer) {
  if (!pointer) throw Failure{CUDA_ERROR_INVALID_VALUE};
}
inline void require(bool condition, CUresult otherwise) {
  if (!condition) throw Failure{otherwise};
}

}  // namespace shim
