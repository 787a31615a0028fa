// SPDX-License-Identifier: BSD-3-Clause
#include "worker/nvml.h"

#include <dlfcn.h>

#include <cstdio>

namespace worker {
namespace {

// As NVML writes it, with the prefix of a whole GPU or of a slice of one.
std::string uuid_text(const char* prefix, const CUuuid& uuid) {
  std::string text = prefix;
  for (int i = 0; i < 16; ++i) {
    char byte[4];
    std::snprintf(byte, sizeof byte, "%02x", static_cast<unsigned char>(uuid.bytes[i]));
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += byte;
  }
  return text;
}

}  // namespace

Nvml::Nvml(const DriverTable& driver) : driver_(driver) {
  library_ = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  const auto init = function<int()>("nvmlInit_v2");
  if (init == nullptr || init() != 0) library_ = nullptr;
}

void* Nvml::symbol(const char* name) const { return library_ != nullptr ? dlsym(library_, name) : nullptr; }

void* Nvml::device(CUdevice device) {
  const std::lock_guard lock(mutex_);
  const auto known = devices_.find(device);
  return known != devices_.end() ? known->second : devices_[device] = find(device);
}

// By UUID: an emulated device may have the bus id of a card that this server has.
void* Nvml::find(CUdevice device) {
  const auto by_uuid = function<int(const char*, void**)>("nvmlDeviceGetHandleByUUID");
  CUuuid uuid{};
  if (by_uuid == nullptr) return nullptr;
  if (call(driver_.cuDeviceGetUuid_v2, &uuid, device) != CUDA_SUCCESS &&
      call(driver_.cuDeviceGetUuid, &uuid, device) != CUDA_SUCCESS)
    return nullptr;
  for (const char* prefix : {"GPU-", "MIG-"}) {
    void* handle = nullptr;
    if (by_uuid(uuid_text(prefix, uuid).c_str(), &handle) == 0) return handle;
  }
  return nullptr;
}

}  // namespace worker
