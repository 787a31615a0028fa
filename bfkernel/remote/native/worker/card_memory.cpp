// SPDX-License-Identifier: BSD-3-Clause
#include "worker/card_memory.h"

#include <dlfcn.h>

namespace worker {
namespace {

// The three calls of NVML that are needed here, as NVIDIA's NVML API reference gives them. 0 is success.
struct NvmlMemory {
  unsigned long long total, free, used;
};
using NvmlInit = int();
using NvmlDeviceByBusId = int(const char*, void**);
using NvmlMemoryInfo = int(void*, NvmlMemory*);

template <class Function>
Function* symbol(void* library, const char* name) {
  return library ? reinterpret_cast<Function*>(dlsym(library, name)) : nullptr;
}

}  // namespace

CardMemory::CardMemory(const DriverTable& driver) : driver_(driver) {
  void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  const auto init = symbol<NvmlInit>(library, "nvmlInit_v2");
  if (init != nullptr && init() == 0) library_ = library;
}

std::uint64_t CardMemory::free_bytes(CUdevice device) {
  const auto info = symbol<NvmlMemoryInfo>(library_, "nvmlDeviceGetMemoryInfo");
  void* card = nvml_device(device);
  NvmlMemory memory{};
  if (info == nullptr || card == nullptr || info(card, &memory) != 0) return 0;
  return memory.free;
}

void* CardMemory::nvml_device(CUdevice device) {
  if (const auto known = devices_.find(device); known != devices_.end()) return known->second;
  void* card = nullptr;
  char bus_id[32] = {};
  const auto by_bus_id = symbol<NvmlDeviceByBusId>(library_, "nvmlDeviceGetHandleByPciBusId_v2");
  if (by_bus_id != nullptr &&
      call(driver_.cuDeviceGetPCIBusId, bus_id, static_cast<int>(sizeof bus_id), device) == CUDA_SUCCESS) {
    if (by_bus_id(bus_id, &card) != 0) card = nullptr;
  }
  return devices_[device] = card;
}

}  // namespace worker
