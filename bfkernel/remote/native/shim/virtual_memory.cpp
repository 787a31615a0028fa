// SPDX-License-Identifier: BSD-3-Clause
// Virtual memory management. Addresses are handed out here, from the upper half of the window, without asking
// the worker; physical memory and mappings are the worker's.
#include <algorithm>
#include <map>
#include <mutex>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/memory.h"
#include "shim/request.h"
#include "wire/device_messages.h"
#include "wire/memory_messages.h"

namespace shim {

// What cuMemCreate returns: its handle is the object's address.
struct PhysicalMemory : Object {
  uint64_t size = 0;
  int device = 0;
  CUmemAllocationProp prop{};
  int references = 1;
};

namespace {

std::mutex mutex;
std::map<uint64_t, uint64_t>& reservations = *new std::map<uint64_t, uint64_t>;  // address → size

PhysicalMemory* memory_of(CUmemGenericAllocationHandle handle) {
  auto* object = reinterpret_cast<PhysicalMemory*>(handle);
  const bool plausible = Arena::holds(object) && handle % Arena::kAlignment == 0;
  require(plausible && object->tag == kObjectTag && object->kind == wire::Kind::memory,
          CUDA_ERROR_INVALID_VALUE);
  return object;
}

uint64_t granularity(CUdevice device) {
  return std::max<uint64_t>(devices::info(device).granularity_minimum, 1);
}

uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// First fit. Under the mutex; 0 where there is no room.
uint64_t place(const Window& window, uint64_t size, uint64_t alignment) {
  uint64_t at = align_up(window.middle(), alignment);
  const uint64_t end = window.base + window.size;
  for (const auto& [address, taken] : reservations) {
    if (at + size <= address) break;
    at = align_up(std::max(at, address + taken), alignment);
  }
  return at + size <= end && at + size > at ? at : 0;
}

// The range must lie inside one reservation.
void require_reserved(uint64_t address, uint64_t size) {
  const std::lock_guard lock(mutex);
  auto after = reservations.upper_bound(address);
  require(after != reservations.begin(), CUDA_ERROR_INVALID_VALUE);
  const auto& [begin, length] = *std::prev(after);
  require(address - begin < length && size <= length - (address - begin), CUDA_ERROR_INVALID_VALUE);
}

void check_prop(const CUmemAllocationProp* prop) {
  require(prop);
  require(prop->type == CU_MEM_ALLOCATION_TYPE_PINNED, CUDA_ERROR_INVALID_VALUE);
  require(prop->location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_NOT_SUPPORTED);
  // PyTorch asks for memory that it could export as a file descriptor, and exports it only between processes.
  require((prop->requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) == 0,
          CUDA_ERROR_NOT_SUPPORTED);
}

}  // namespace

namespace api {

CUresult cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp* prop,
                                       CUmemAllocationGranularity_flags option) {
  require(granularity);
  check_prop(prop);
  const wire::DeviceInfo& device = devices::info(prop->location.id);
  *granularity = option == CU_MEM_ALLOC_GRANULARITY_RECOMMENDED ? device.granularity_recommended
                                                                : device.granularity_minimum;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressReserve(CUdeviceptr* ptr, size_t size, size_t alignment, CUdeviceptr addr,
                             unsigned long long flags) {
  require(ptr);
  require(flags == 0 && size > 0 && (alignment & (alignment - 1)) == 0, CUDA_ERROR_INVALID_VALUE);
  const uint64_t grain = granularity(0);
  require(size % grain == 0, CUDA_ERROR_INVALID_VALUE);
  const Window window = connection().window();
  const std::lock_guard lock(mutex);
  // `addr` is a hint, and only one inside the window could be followed; a fixed place would gain nobody
  // anything.
  const uint64_t at = place(window, size, std::max<uint64_t>(alignment, grain));
  require(at != 0, CUDA_ERROR_OUT_OF_MEMORY);
  reservations.emplace(at, size);
  *ptr = at;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressFree(CUdeviceptr ptr, size_t size) {
  const std::lock_guard lock(mutex);
  const auto found = reservations.find(ptr);
  require(found != reservations.end() && found->second == size, CUDA_ERROR_INVALID_VALUE);
  reservations.erase(found);
  return CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t size, const CUmemAllocationProp* prop,
                     unsigned long long flags) {
  require(handle);
  check_prop(prop);
  require(flags == 0 && size > 0 && size % granularity(prop->location.id) == 0, CUDA_ERROR_INVALID_VALUE);
  auto* memory = store<PhysicalMemory>().allocate();
  memory->tag = kObjectTag;
  memory->id = next_id();
  memory->size = size;
  memory->device = devices::lease_ordinal(prop->location.id);
  memory->prop = *prop;
  memory->references = 1;
  call_plain(wire::MemCreate{memory->id, size, memory->device}, Context::any, Deferred::keep);
  memory->kind = wire::Kind::memory;
  *handle = reinterpret_cast<CUmemGenericAllocationHandle>(memory);
  return CUDA_SUCCESS;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  PhysicalMemory* memory = memory_of(handle);
  {
    const std::lock_guard lock(mutex);
    if (--memory->references > 0) return CUDA_SUCCESS;
  }
  post(wire::MemRelease{memory->id});
  store<PhysicalMemory>().release(memory);
  return CUDA_SUCCESS;
}

CUresult cuMemMap(CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
  require(flags == 0 && size > 0, CUDA_ERROR_INVALID_VALUE);
  const PhysicalMemory* memory = memory_of(handle);
  require(offset <= memory->size && size <= memory->size - offset, CUDA_ERROR_INVALID_VALUE);
  require_reserved(ptr, size);
  call_plain(wire::MemMap{ptr, size, offset, memory->id}, Context::any, Deferred::keep);
  memory::add({.address = ptr,
               .size = size,
               .origin = memory::Origin::mapped,
               .context = home_context(),
               .device = memory->device,
               .memory = handle});
  return CUDA_SUCCESS;
}

CUresult cuMemUnmap(CUdeviceptr ptr, size_t size) {
  require_reserved(ptr, size);
  call_plain(wire::MemUnmap{ptr, size}, Context::any, Deferred::keep);
  for (uint64_t at = ptr; at < ptr + size;) {
    const auto mapping = memory::remove(at);
    if (!mapping) break;
    at += mapping->size;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc* desc, size_t count) {
  require(desc);
  require_reserved(ptr, size);
  for (size_t i = 0; i < count; ++i) {
    require(desc[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_NOT_SUPPORTED);
    const int device = devices::lease_ordinal(desc[i].location.id);
    call_plain(wire::MemSetAccess{ptr, size, device, static_cast<uint32_t>(desc[i].flags)}, Context::any,
               Deferred::keep);
  }
  return CUDA_SUCCESS;
}

CUresult cuMemGetAccess(unsigned long long* flags, const CUmemLocation* location, CUdeviceptr ptr) {
  require(flags);
  require(location);
  const auto mapping = memory::find(ptr);
  require(mapping.has_value(), CUDA_ERROR_INVALID_VALUE);
  const bool own = location->type == CU_MEM_LOCATION_TYPE_DEVICE &&
                   devices::lease_ordinal(location->id) == mapping->device;
  *flags = own ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
  return CUDA_SUCCESS;
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp* prop,
                                                CUmemGenericAllocationHandle handle) {
  require(prop);
  *prop = memory_of(handle)->prop;
  return CUDA_SUCCESS;
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* handle, void* addr) {
  require(handle);
  const auto mapping = memory::find(reinterpret_cast<uint64_t>(addr));
  require(mapping && mapping->origin == memory::Origin::mapped, CUDA_ERROR_INVALID_VALUE);
  PhysicalMemory* memory = memory_of(mapping->memory);
  const std::lock_guard lock(mutex);
  ++memory->references;
  *handle = mapping->memory;
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
