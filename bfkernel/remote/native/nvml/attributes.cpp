// SPDX-License-Identifier: BSD-3-Clause
// Properties that CUDA knows as device attributes.
#include <cuda.h>

#include <algorithm>

#include "nvml/library.h"

namespace {

using nvml::answer;
using nvml::give;
using nvml::require;

unsigned known(nvmlDevice_t device, CUdevice_attribute attribute) {
  const std::optional<int> value = nvml::attribute(device, attribute);
  require(value.has_value(), NVML_ERROR_NOT_SUPPORTED);
  return static_cast<unsigned>(*value);
}

// nvmlDeviceArchitecture_t of a compute capability.
unsigned architecture(unsigned major, unsigned minor) {
  constexpr unsigned kUnknown = 0xFFFFFFFF;
  switch (major) {
    case 5:
      return 3;  // Maxwell
    case 6:
      return 4;  // Pascal
    case 7:
      return minor < 5 ? 5 : 6;  // Volta, Turing
    case 8:
      return minor == 9 ? 8 : 7;  // Ada, Ampere
    case 9:
      return 9;  // Hopper
    case 10:
    case 11:
    case 12:
      return 10;  // Blackwell
    default:
      return kUnknown;
  }
}

unsigned bus_width_bits(nvmlDevice_t device) {
  return known(device, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
}

}  // namespace

NVML_API nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int* major, int* minor) {
  return answer([&] {
    require(major != nullptr && minor != nullptr);
    *major = static_cast<int>(known(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
    *minor = static_cast<int>(known(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned* out) {
  return give(out, [device] {
    return architecture(known(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
                        known(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, int* mode) {
  return give(mode, [device] { return known(device, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE); });
}
NVML_API nvmlReturn_t nvmlDeviceGetMemoryBusWidth(nvmlDevice_t device, unsigned* bits) {
  return give(bits, [device] { return bus_width_bits(device); });
}
NVML_API nvmlReturn_t nvmlDeviceGetMultiGpuBoard(nvmlDevice_t device, unsigned* several) {
  return give(several, [device] { return known(device, CU_DEVICE_ATTRIBUTE_MULTI_GPU_BOARD); });
}

// Nobody looks at a screen of this GPU.
NVML_API nvmlReturn_t nvmlDeviceGetDisplayMode(nvmlDevice_t device, int* mode) {
  return give(mode, [device] { return nvml::index_of(device) * 0; });
}
NVML_API nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t device, int* active) {
  return give(active, [device] { return nvml::index_of(device) * 0; });
}
