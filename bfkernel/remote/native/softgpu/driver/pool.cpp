// SPDX-License-Identifier: BSD-3-Clause
#include "pool.h"

#include "address_space.h"
#include "registry.h"

namespace softgpu::driver {

MemoryPool::MemoryPool(Device& device, const CUmemPoolProps& props, bool is_default)
    : device(device), props(props), is_default(is_default), access(1u << device.ordinal) {}

uint64_t MemoryPool::allocate(size_t size) {
  size_t used = used_.fetch_add(size) + size;
  bool fits = props.maxSize == 0 || used <= props.maxSize;
  uint64_t address = fits ? device.arena.allocate(size) : 0;
  if (!address) {
    used_.fetch_sub(size);
    return 0;
  }
  size_t high = used_high_.load();
  while (high < used && !used_high_.compare_exchange_weak(high, used)) {
  }
  Range range;
  range.begin = address;
  range.end = address + size;
  range.kind = RangeKind::pool;
  range.device = device.ordinal;
  range.access = access.load();
  range.explicit_access = true;
  range.pool = shared_from_this();
  AddressSpace::instance().insert(std::move(range));
  return address;
}

void MemoryPool::set_access(uint32_t devices) {
  access = devices;
  AddressSpace::instance().set_pool_access(this, devices);
}

std::shared_ptr<MemoryPool> make_default_pool(Device& device) {
  CUmemPoolProps props = {};
  props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  props.handleTypes = CU_MEM_HANDLE_TYPE_NONE;
  props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  props.location.id = device.ordinal;
  auto pool = std::make_shared<MemoryPool>(device, props, true);
  registry<MemoryPool>().add<CUmemoryPool>(pool);
  return pool;
}

}  // namespace softgpu::driver
