// SPDX-License-Identifier: BSD-3-Clause
// Virtual memory management: reserve addresses, create memory, map one into the other, open it to devices.
#include "current.h"
#include "reservations.h"

using namespace softgpu::driver;

namespace {

Device& device_of(Driver& driver, const CUmemAllocationProp* prop) {
  require(prop != nullptr && prop->type == CU_MEM_ALLOCATION_TYPE_PINNED);
  require(prop->location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_NOT_SUPPORTED);
  constexpr int known = CU_MEM_HANDLE_TYPE_NONE | CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  require((prop->requestedHandleTypes & ~known) == 0, CUDA_ERROR_NOT_SUPPORTED);
  return driver.device(prop->location.id);
}

std::shared_ptr<Physical> physical_of(CUmemGenericAllocationHandle handle) {
  return registry<Physical>().get(handle, CUDA_ERROR_INVALID_VALUE);
}

// The access bits that a list of descriptions leaves of `before`.
uint32_t apply(Driver& driver, const CUmemAccessDesc* desc, size_t count, uint32_t before) {
  for (size_t i = 0; i < count; ++i) {
    require(desc[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_NOT_SUPPORTED);
    uint32_t bit = 1u << driver.device(desc[i].location.id).ordinal;
    before = desc[i].flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ? before & ~bit : before | bit;
  }
  return before;
}

}  // namespace

SOFTGPU_API cuMemAddressReserve(CUdeviceptr* ptr, size_t size, size_t alignment, CUdeviceptr addr,
                                unsigned long long flags) {
  return with_driver([&](Driver&) {
    require(ptr != nullptr && flags == 0);
    *ptr = Reservations::instance().reserve(size, alignment, addr);
  });
}

SOFTGPU_API cuMemAddressFree(CUdeviceptr ptr, size_t size) {
  return with_driver([&](Driver&) { Reservations::instance().free(ptr, size); });
}

SOFTGPU_API cuMemCreate(CUmemGenericAllocationHandle* handle, size_t size, const CUmemAllocationProp* prop,
                        unsigned long long flags) {
  return with_driver([&](Driver& driver) {
    require(handle != nullptr && flags == 0 && size > 0 && size % Reservations::kGranularity == 0);
    std::shared_ptr<Physical> physical = Physical::create(device_of(driver, prop), size, *prop);
    *handle = physical->handle();
    registry<Physical>().add<CUmemGenericAllocationHandle>(std::move(physical));
  });
}

SOFTGPU_API cuMemRelease(CUmemGenericAllocationHandle handle) {
  return with_driver([&](Driver&) {
    std::shared_ptr<Physical> physical = physical_of(handle);
    if (--physical->handles == 0) registry<Physical>().remove(handle);
  });
}

SOFTGPU_API cuMemMap(CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                     unsigned long long flags) {
  return with_driver([&](Driver&) {
    require(flags == 0 && offset == 0);
    Reservations::instance().map(ptr, size, physical_of(handle));
  });
}

SOFTGPU_API cuMemUnmap(CUdeviceptr ptr, size_t size) {
  return with_driver([&](Driver& driver) {
    driver.drain();
    Reservations::instance().unmap(ptr, size);
  });
}

SOFTGPU_API cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc* desc, size_t count) {
  return with_driver([&](Driver& driver) {
    require(desc != nullptr && count > 0 && size > 0);
    AddressSpace& space = AddressSpace::instance();
    for (uint64_t begin : Reservations::instance().cover(ptr, size)) {
      std::optional<Range> range = space.find(begin);
      require(range.has_value());
      space.set_access(begin, apply(driver, desc, count, range->access));
    }
  });
}

SOFTGPU_API cuMemGetAccess(unsigned long long* flags, const CUmemLocation* location, CUdeviceptr ptr) {
  return with_driver([&](Driver& driver) {
    require(flags != nullptr && location != nullptr && location->type == CU_MEM_LOCATION_TYPE_DEVICE);
    std::optional<Range> range = AddressSpace::instance().find(ptr);
    require(range && range->kind == RangeKind::mapped);
    bool open = range->access >> driver.device(location->id).ordinal & 1;
    *flags = open ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
  });
}

SOFTGPU_API cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp* prop,
                                          CUmemAllocationGranularity_flags) {
  return with_driver([&](Driver& driver) {
    require(granularity != nullptr);
    device_of(driver, prop);
    *granularity = Reservations::kGranularity;
  });
}

SOFTGPU_API cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp* prop,
                                                   CUmemGenericAllocationHandle handle) {
  return with_driver([&](Driver&) {
    require(prop != nullptr);
    *prop = physical_of(handle)->prop;
  });
}

SOFTGPU_API cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* handle, void* addr) {
  return with_driver([&](Driver&) {
    require(handle != nullptr);
    std::shared_ptr<Physical> physical =
        Reservations::instance().physical_at(reinterpret_cast<uint64_t>(addr));
    require(physical != nullptr);
    // Released by the program while still mapped: the handle comes to life again.
    if (physical->handles++ == 0) registry<Physical>().add<CUmemGenericAllocationHandle>(physical);
    *handle = physical->handle();
  });
}

SOFTGPU_API cuMemExportToShareableHandle(void* shareableHandle, CUmemGenericAllocationHandle handle,
                                         CUmemAllocationHandleType handleType, unsigned long long flags) {
  return with_driver([&](Driver&) {
    require(shareableHandle != nullptr && flags == 0);
    require(handleType == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, CUDA_ERROR_NOT_SUPPORTED);
    std::shared_ptr<Physical> physical = physical_of(handle);
    require(physical->prop.requestedHandleTypes & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    *static_cast<int*>(shareableHandle) = physical->duplicate_file();
  });
}

SOFTGPU_API cuMemImportFromShareableHandle(CUmemGenericAllocationHandle* handle, void* osHandle,
                                           CUmemAllocationHandleType shHandleType) {
  return with_driver([&](Driver& driver) {
    require(handle != nullptr);
    require(shHandleType == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, CUDA_ERROR_NOT_SUPPORTED);
    std::shared_ptr<Context> current = current_context();
    Device& device = current ? current->device : driver.device(0);
    int file = static_cast<int>(reinterpret_cast<intptr_t>(osHandle));
    std::shared_ptr<Physical> physical = Physical::import(device, file);
    *handle = physical->handle();
    registry<Physical>().add<CUmemGenericAllocationHandle>(std::move(physical));
  });
}
