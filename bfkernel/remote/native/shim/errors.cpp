// SPDX-License-Identifier: BSD-3-Clause
// Names and descriptions of results, generated from cuda.h.
#include <algorithm>
#include <iterator>

#include "shim/api.h"
#include "shim/failure.h"

namespace shim {
namespace {

struct Error {
  int code;
  const char* name;
  const char* description;
};

constexpr Error kErrors[] = {
#include "shim_errors.inc"
};

const Error* find(CUresult error) {
  const auto* found = std::find_if(std::begin(kErrors), std::end(kErrors),
                                   [error](const Error& e) { return e.code == static_cast<int>(error); });
  return found == std::end(kErrors) ? nullptr : found;
}

}  // namespace

namespace api {

CUresult cuGetErrorName(CUresult error, const char** pStr) {
  require(pStr);
  const Error* known = find(error);
  *pStr = known ? known->name : nullptr;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char** pStr) {
  require(pStr);
  const Error* known = find(error);
  *pStr = known ? known->description : nullptr;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace api
}  // namespace shim
