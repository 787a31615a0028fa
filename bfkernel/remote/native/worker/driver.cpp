// SPDX-License-Identifier: BSD-3-Clause
#include "worker/driver.h"

#include <dlfcn.h>

namespace worker {
namespace {

// The symbols are exported under the names that cuda.h declares; what a driver only hands out through
// cuGetProcAddress does not exist among them so far.
template <class Function>
void resolve(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
}

}  // namespace

DriverTable load_driver(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw DriverError("the CUDA driver cannot be loaded: " + std::string(dlerror()));
  DriverTable driver;
#define BFKERNEL_DRIVER_FUNCTION(name) resolve(library, #name, driver.name);
#include "driver_table.inc"
#undef BFKERNEL_DRIVER_FUNCTION
  if (driver.cuInit == nullptr) throw DriverError(path + " is no CUDA driver: it has no cuInit.");
  check(driver, driver.cuInit(0), "cuInit");
  return driver;
}

std::string describe(const DriverTable& driver, CUresult result) {
  const char* name = nullptr;
  if (call(driver.cuGetErrorName, result, &name) == CUDA_SUCCESS && name != nullptr) {
    return std::string(name) + " (" + std::to_string(result) + ")";
  }
  return std::to_string(result);
}

void check(const DriverTable& driver, CUresult result, const char* what) {
  if (result != CUDA_SUCCESS)
    throw DriverError(std::string(what) + " failed: " + describe(driver, result) + ".");
}

}  // namespace worker
