// SPDX-License-Identifier: BSD-3-Clause
// The emulated devices, and the library's state as a whole.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api.h"
#include "arena.h"
#include "config.h"

namespace softgpu::driver {

class Context;
class MemoryPool;

inline constexpr const char* kDeviceName = "Emulated GPU (softgpu)";

// What occupancy and launch checks need to know of one multiprocessor.
struct MultiprocessorLimits {
  int warp_size = 32;
  int max_threads_per_block = 1024;
  int max_threads = 2048;
  int max_blocks = 32;
  int registers = 65536;
  size_t shared_bytes = 164 << 10;
  size_t shared_per_block = 48 << 10;          // without asking
  size_t shared_per_block_optin = 163 << 10;   // after cuFuncSetAttribute
  size_t shared_reserved_per_block = 1 << 10;  // what the system keeps of every block's share
};

// What graphs allocate on a device, in bytes.
struct GraphMemory {
  std::atomic<size_t> used{0};
  std::atomic<size_t> used_high{0};
  std::atomic<size_t> reserved{0};
  std::atomic<size_t> reserved_high{0};
};

class Device {
 public:
  Device(int ordinal, int physical, const Config& config);

  // Value of a CUdevice_attribute; nothing when we do not know it.
  std::optional<int> attribute(CUdevice_attribute attribute) const;

  const int ordinal;   // what the program counts, after CUDA_VISIBLE_DEVICES
  const int physical;  // on the machine
  const CUuuid uuid;
  const std::array<int, 2> compute_capability;
  const int multiprocessors;
  MultiprocessorLimits limits;
  Capacity capacity;
  Arena arena;
  GraphMemory graph_memory;
  std::shared_ptr<Context> primary;  // made with the device; becomes active when retained
  std::shared_ptr<MemoryPool> default_pool;

  std::shared_ptr<MemoryPool> current_pool() const;
  void set_current_pool(std::shared_ptr<MemoryPool> pool);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<MemoryPool> current_pool_;
};

std::string pci_bus_id(const Device& device);
std::string uuid_text(const CUuuid& uuid);

// Created by the first successful cuInit, never destroyed.
class Driver {
 public:
  static CUresult initialize();
  static bool initialized() { return instance_.load(std::memory_order_acquire) != nullptr; }
  // Throws NOT_INITIALIZED before cuInit.
  static Driver& get();

  Device& device(CUdevice ordinal) const;
  const std::vector<std::unique_ptr<Device>>& devices() const { return devices_; }

  // Contexts that may have work under way; all of them, over all devices.
  void add(const std::shared_ptr<Context>& context);
  std::vector<std::shared_ptr<Context>> contexts() const;
  // Lets all submitted work end, so that memory can go away under no running kernel.
  void drain() const;

 private:
  explicit Driver(const Config& config);
  static std::atomic<Driver*> instance_;
  std::vector<std::unique_ptr<Device>> devices_;
  mutable std::mutex mutex_;
  mutable std::vector<std::weak_ptr<Context>> contexts_;
};

}  // namespace softgpu::driver
