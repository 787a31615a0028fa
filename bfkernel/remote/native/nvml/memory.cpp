// SPDX-License-Identifier: BSD-3-Clause
// The lease's memory and its processes. All of it is asked for anew each time: it agrees with cuMemGetInfo.
#include "nvml/library.h"
#include "wire/device_messages.h"

namespace {

using nvml::answer;
using nvml::require;

void fill(nvmlProcessInfo_v1_t& out, const wire::ClientUse& client) { out = {client.pid, client.bytes}; }
void fill(nvmlProcessInfo_t& out, const wire::ClientUse& client) {
  constexpr unsigned kNoInstance = 0xFFFFFFFF;
  out = {client.pid, client.bytes, kNoInstance, kNoInstance};
}

// *count is the room of the list, and becomes the number of processes.
template <class Info>
nvmlReturn_t list_processes(nvmlDevice_t device, unsigned* count, Info* infos) {
  return answer([&] {
    require(count != nullptr);
    const wire::DeviceUse use = nvml::use(device);
    const auto found = static_cast<unsigned>(use.clients.size());
    const unsigned room = infos != nullptr ? *count : 0;
    *count = found;
    require(found <= room, NVML_ERROR_INSUFFICIENT_SIZE);
    for (unsigned i = 0; i < found; ++i) fill(infos[i], use.clients[i]);
  });
}

// A lease is for computing: nothing draws with it, and MPS is the server's affair.
nvmlReturn_t no_processes(nvmlDevice_t device, unsigned* count) {
  return answer([&] {
    nvml::index_of(device);
    require(count != nullptr);
    *count = 0;
  });
}

}  // namespace

NVML_API nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory) {
  return answer([&] {
    require(memory != nullptr);
    const wire::DeviceUse use = nvml::use(device);
    *memory = {use.total_bytes, use.free_bytes, use.total_bytes - use.free_bytes};
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t* memory) {
  return answer([&] {
    require(memory != nullptr);
    require(memory->version == version_of<nvmlMemory_v2_t>(2), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    const wire::DeviceUse use = nvml::use(device);
    // What a context takes counts as used; nothing else of the share is reserved.
    *memory = {memory->version, use.total_bytes, 0, use.free_bytes, use.total_bytes - use.free_bytes};
  });
}

NVML_API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned* count,
                                                           nvmlProcessInfo_v1_t* infos) {
  return list_processes(device, count, infos);
}
NVML_API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned* count,
                                                              nvmlProcessInfo_t* infos) {
  return list_processes(device, count, infos);
}
NVML_API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned* count,
                                                              nvmlProcessInfo_t* infos) {
  return list_processes(device, count, infos);
}

NVML_API nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned* count, void*) {
  return no_processes(device, count);
}
NVML_API nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device, unsigned* count, void*) {
  return no_processes(device, count);
}
NVML_API nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned* count, void*) {
  return no_processes(device, count);
}
NVML_API nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses(nvmlDevice_t device, unsigned* count, void*) {
  return no_processes(device, count);
}
NVML_API nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(nvmlDevice_t device, unsigned* count,
                                                                 void*) {
  return no_processes(device, count);
}
NVML_API nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned* count,
                                                                 void*) {
  return no_processes(device, count);
}
