// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cuda.h>

#include <stdexcept>
#include <string>

namespace worker {

// The CUDA driver library behind this worker: one pointer for each function that the worker may call, null
// where the driver does not have it. The list is generated from the specification.
struct DriverTable {
#define BFKERNEL_DRIVER_FUNCTION(name) decltype(&::name) name = nullptr;
#include "driver_table.inc"
#undef BFKERNEL_DRIVER_FUNCTION
};

struct DriverError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Loads the library and initialises it. Throws DriverError with one sentence. The library stays for good.
DriverTable load_driver(const std::string& path);

// A function that this driver does not have is not supported, not a crash.
template <class Function, class... Arguments>
CUresult call(Function* function, Arguments... arguments) {
  return function != nullptr ? function(arguments...) : CUDA_ERROR_NOT_SUPPORTED;
}

// "CUDA_ERROR_OUT_OF_MEMORY (2)", or the number alone where the driver does not know it.
std::string describe(const DriverTable& driver, CUresult result);

// Throws DriverError where a call failed that the worker cannot do without.
void check(const DriverTable& driver, CUresult result, const char* what);

}  // namespace worker
