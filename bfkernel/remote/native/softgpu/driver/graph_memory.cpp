// SPDX-License-Identifier: BSD-3-Clause
#include "graph_memory.h"

#include <map>
#include <mutex>
#include <vector>

#include "address_space.h"

namespace softgpu::driver {
namespace {

// Memory outlives its graph while it is allocated, so the blocks that are keep themselves.
struct Blocks {
  std::mutex mutex;
  std::map<uint64_t, std::weak_ptr<GraphBlock>> all;
  std::map<uint64_t, std::shared_ptr<GraphBlock>> claimed;
};

Blocks& blocks() {
  static auto* instance = new Blocks;
  return *instance;
}

void raise(std::atomic<size_t>& high, size_t value) {
  size_t before = high.load();
  while (before < value && !high.compare_exchange_weak(before, value)) {
  }
}

}  // namespace

GraphBlock::GraphBlock(Device& device, uint64_t address, size_t size, uint32_t access)
    : device(device), address(address), size(size), access_(access) {}

std::shared_ptr<GraphBlock> GraphBlock::create(Device& device, size_t size, uint32_t access) {
  require(size > 0);
  uint64_t address = device.arena.allocate(size);
  require(address != 0, CUDA_ERROR_OUT_OF_MEMORY);
  std::shared_ptr<GraphBlock> block(new GraphBlock(device, address, size, access));
  device.graph_memory.reserved += size;
  raise(device.graph_memory.reserved_high, device.graph_memory.reserved);
  Range range;
  range.begin = address;
  range.end = address + size;
  range.kind = RangeKind::graph;
  range.device = device.ordinal;
  range.explicit_access = true;  // none until it is opened
  AddressSpace::instance().insert(std::move(range));
  std::lock_guard lock(blocks().mutex);
  blocks().all[address] = block;
  return block;
}

GraphBlock::~GraphBlock() {
  {
    std::lock_guard lock(blocks().mutex);
    auto found = blocks().all.find(address);
    if (found != blocks().all.end() && found->second.expired()) blocks().all.erase(found);
  }
  AddressSpace::instance().remove(address, [](const Range& range) { return range.kind == RangeKind::graph; });
  device.arena.free(address, size);
  device.graph_memory.reserved -= size;
}

std::shared_ptr<GraphBlock> GraphBlock::at(uint64_t address) {
  std::lock_guard lock(blocks().mutex);
  auto found = blocks().all.find(address);
  return found == blocks().all.end() ? nullptr : found->second.lock();
}

void GraphBlock::free_all(const Device& device) {
  std::vector<std::shared_ptr<GraphBlock>> found;
  {
    std::lock_guard lock(blocks().mutex);
    for (const auto& [address, block] : blocks().claimed) {
      if (&block->device == &device) found.push_back(block);
    }
  }
  for (const auto& block : found) {
    if (block->unclaim()) block->close();
  }
}

bool GraphBlock::claim() {
  if (claimed_.exchange(true)) return false;
  raise(device.graph_memory.used_high, device.graph_memory.used += size);
  std::lock_guard lock(blocks().mutex);
  blocks().claimed[address] = shared_from_this();
  return true;
}

bool GraphBlock::unclaim() {
  if (!claimed_.exchange(false)) return false;
  device.graph_memory.used -= size;
  std::shared_ptr<GraphBlock> kept;  // let go outside the lock
  std::lock_guard lock(blocks().mutex);
  auto found = blocks().claimed.find(address);
  if (found == blocks().claimed.end()) return true;
  kept = std::move(found->second);
  blocks().claimed.erase(found);
  return true;
}

void GraphBlock::open() { AddressSpace::instance().set_access(address, access_); }
void GraphBlock::close() { AddressSpace::instance().set_access(address, 0); }

}  // namespace softgpu::driver

using namespace softgpu::driver;

namespace {

template <typename Body>
CUresult with_graph_memory(CUdevice device, void* value, Body&& body) {
  return guarded([&] {
    GraphMemory& memory = Driver::get().device(device).graph_memory;
    require(value != nullptr);
    body(memory, *static_cast<cuuint64_t*>(value));
  });
}

}  // namespace

SOFTGPU_API cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void* value) {
  return with_graph_memory(device, value, [&](GraphMemory& memory, cuuint64_t& out) {
    switch (attr) {
      case CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT:
        out = memory.used;
        break;
      case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH:
        out = memory.used_high;
        break;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT:
        out = memory.reserved;
        break;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH:
        out = memory.reserved_high;
        break;
      default:
        fail(CUDA_ERROR_INVALID_VALUE);
    }
  });
}

// Only the high-water marks can be set, and only to what is so now.
SOFTGPU_API cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void* value) {
  return with_graph_memory(device, value, [&](GraphMemory& memory, cuuint64_t& wanted) {
    require(wanted == 0);
    if (attr == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH) {
      memory.used_high = memory.used.load();
    } else if (attr == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH) {
      memory.reserved_high = memory.reserved.load();
    } else {
      fail(CUDA_ERROR_INVALID_VALUE);
    }
  });
}

// Graphs hold exactly what their nodes name, so there is nothing to trim.
SOFTGPU_API cuDeviceGraphMemTrim(CUdevice device) {
  return guarded([&] { Driver::get().device(device); });
}
