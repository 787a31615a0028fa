// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "worker/driver.h"

namespace worker {

// NVIDIA's management library on this server: what CUDA itself does not tell of a card. It is looked for by
// name alone, and an emulated device is not known to it.
class Nvml {
 public:
  explicit Nvml(const DriverTable& driver);

  // NVML's handle of a device, or null.
  void* device(CUdevice device);

  // One of its functions, or null. Signatures are those of NVIDIA's NVML API reference; 0 is success.
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;
  void* find(CUdevice device);

  const DriverTable& driver_;
  void* library_ = nullptr;
  std::mutex mutex_;
  std::map<CUdevice, void*> devices_;
};

}  // namespace worker
