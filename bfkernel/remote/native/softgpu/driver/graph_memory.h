// SPDX-License-Identifier: BSD-3-Clause
// Memory that graphs allocate: its address is fixed when the node is made, it can be used from a launch until
// it is freed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "device.h"

namespace softgpu::driver {

class GraphBlock : public std::enable_shared_from_this<GraphBlock> {
 public:
  // Throws OUT_OF_MEMORY. `access` has one bit for each device.
  static std::shared_ptr<GraphBlock> create(Device& device, size_t size, uint32_t access);
  // The block that begins there; null when there is none.
  static std::shared_ptr<GraphBlock> at(uint64_t address);
  // Frees whatever is allocated on a device, as when its primary context is reset.
  static void free_all(const Device& device);
  ~GraphBlock();
  GraphBlock(const GraphBlock&) = delete;

  // As the program sees it: allocated by its last launch and not freed by a later call. False when it was so
  // already.
  bool claim();
  bool unclaim();
  // As kernels see it, when the work is executed.
  void open();
  void close();

  Device& device;
  const uint64_t address;
  const size_t size;

 private:
  GraphBlock(Device& device, uint64_t address, size_t size, uint32_t access);
  const uint32_t access_;
  std::atomic<bool> claimed_{false};
};

}  // namespace softgpu::driver
