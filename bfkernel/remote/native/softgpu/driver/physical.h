// SPDX-License-Identifier: BSD-3-Clause
// Physical memory of the virtual memory management calls: what cuMemCreate makes and cuMemMap maps.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "api.h"
#include "device.h"

namespace softgpu::driver {

// One memory file. It goes when no handle and no mapping is left, and with it its pages and its charge.
class Physical {
 public:
  // Throws OUT_OF_MEMORY when the device has no room.
  static std::shared_ptr<Physical> create(Device& device, size_t size, const CUmemAllocationProp& prop);
  // Memory that came from another process; it is charged where it was made. Throws INVALID_VALUE.
  static std::shared_ptr<Physical> import(Device& device, int file);
  ~Physical();
  Physical(const Physical&) = delete;

  CUmemGenericAllocationHandle handle() { return reinterpret_cast<CUmemGenericAllocationHandle>(this); }
  int file() const { return file_; }
  // A descriptor of its own for another owner.
  int duplicate_file() const;

  Device& device;
  const size_t size;
  const CUmemAllocationProp prop;
  std::atomic<int> handles{1};  // how often the program has to release it

 private:
  Physical(Device& device, size_t size, const CUmemAllocationProp& prop, int file, bool charged);
  const int file_;
  const bool charged_;
};

}  // namespace softgpu::driver
