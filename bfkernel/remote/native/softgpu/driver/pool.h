// SPDX-License-Identifier: BSD-3-Clause
// Stream-ordered memory pools. Freed memory goes back to the device at once: an emulated device has nothing
// to gain from keeping it, so what a pool has reserved is what it has in use.
#pragma once

#include <atomic>
#include <memory>

#include "api.h"
#include "device.h"

namespace softgpu::driver {

class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  MemoryPool(Device& device, const CUmemPoolProps& props, bool is_default);

  // An address of live memory, reachable as the pool's access says; 0 when device or pool are full.
  uint64_t allocate(size_t size);
  void freed(size_t size) { used_.fetch_sub(size); }

  // Of what is allocated already as well as of what will be.
  void set_access(uint32_t devices);

  CUmemoryPool handle() { return reinterpret_cast<CUmemoryPool>(this); }
  size_t used() const { return used_.load(); }
  size_t used_high() const { return used_high_.load(); }
  void reset_high() { used_high_ = used_.load(); }

  Device& device;
  const CUmemPoolProps props;
  const bool is_default;
  std::atomic<uint32_t> access;  // one bit for each device
  std::atomic<uint64_t> release_threshold{0};
  std::atomic<int> reuse_follow_events{1};
  std::atomic<int> reuse_opportunistic{1};
  std::atomic<int> reuse_internal_dependencies{1};

 private:
  std::atomic<size_t> used_{0};
  std::atomic<size_t> used_high_{0};
};

std::shared_ptr<MemoryPool> make_default_pool(Device& device);

}  // namespace softgpu::driver
