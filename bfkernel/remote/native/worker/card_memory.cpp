// SPDX-License-Identifier: BSD-3-Clause
#include "worker/card_memory.h"

#include <dlfcn.h>
#include <unistd.h>

#include <vector>

namespace worker {
namespace {

// The calls of NVML that are needed here, as NVIDIA's NVML API reference gives them. 0 is success.
struct NvmlProcess {
  unsigned pid;
  unsigned long long used_bytes;
  unsigned gpu_instance;
  unsigned compute_instance;
};
using NvmlInit = int();
using NvmlDeviceByBusId = int(const char*, void**);
using NvmlProcesses = int(void*, unsigned*, NvmlProcess*);

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

std::uint64_t CardMemory::held(CUdevice device) {
  const auto list = symbol<NvmlProcesses>(library_, "nvmlDeviceGetComputeRunningProcesses_v3");
  void* card = nvml_device(device);
  if (list == nullptr || card == nullptr) return 0;
  std::vector<NvmlProcess> processes(1024);
  auto count = static_cast<unsigned>(processes.size());
  if (list(card, &count, processes.data()) != 0) return 0;
  for (unsigned i = 0; i < count; ++i) {
    const NvmlProcess& process = processes[i];
    constexpr unsigned long long kUnknown = ~0ull;
    if (process.pid == static_cast<unsigned>(getpid()) && process.used_bytes != kUnknown)
      return process.used_bytes;
  }
  return 0;
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
