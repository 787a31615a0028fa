// SPDX-License-Identifier: BSD-3-Clause
// What every entry point of the library starts from: cuda.h with all its ABI versions, and one way to fail.
#pragma once

#define __CUDA_API_VERSION_INTERNAL 1
#define __CUDA_API_PUSH_VISIBILITY_DEFAULT 1
#include <cuda.h>

#include <new>
#include <type_traits>
#include <utility>

// Marks a function that the library exports. generate.py looks for this word to learn what is implemented.
#define SOFTGPU_API extern "C" CUresult

namespace softgpu::driver {

// The newest that there is here, so that libraries do not warn of PTX that is newer than the driver.
constexpr int kDriverVersion = CUDA_VERSION;

// Inside the library a refusal is an exception, so that checks read as one line each; at the ABI it is a
// code.
struct Failure {
  CUresult code;
};

[[noreturn]] inline void fail(CUresult code) { throw Failure{code}; }

inline void require(bool condition, CUresult code = CUDA_ERROR_INVALID_VALUE) {
  if (!condition) fail(code);
}

// Runs the body of an entry point; nothing but a CUresult ever crosses the ABI.
template <typename Body>
CUresult guarded(Body&& body) noexcept {
  try {
    if constexpr (std::is_same_v<decltype(body()), CUresult>) {
      return body();
    } else {
      body();
      return CUDA_SUCCESS;
    }
  } catch (const Failure& failure) {
    return failure.code;
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (...) {
    return CUDA_ERROR_UNKNOWN;
  }
}

}  // namespace softgpu::driver
