// SPDX-License-Identifier: BSD-3-Clause
#include "worker/backing.h"

#include <algorithm>
#include <utility>

namespace worker {

DriverBacking::DriverBacking(const DriverTable& driver, std::vector<CUdevice> devices)
    : driver_(driver), devices_(std::move(devices)), access_(devices_.size()) {
  shareable_ = std::all_of(devices_.begin(), devices_.end(), [this](CUdevice device) {
    int can = 0;
    call(driver_.cuDeviceGetAttribute, &can, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED,
         device);
    return can != 0;
  });
  for (unsigned owner = 0; owner < devices_.size(); ++owner) {
    const CUmemAllocationProp wanted = properties(owner);
    std::size_t least = 0;
    check(driver_,
          call(driver_.cuMemGetAllocationGranularity, &least, &wanted, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED),
          "cuMemGetAllocationGranularity");
    granularity_ = std::max<std::uint64_t>(granularity_, least);
    for (unsigned other = 0; other < devices_.size(); ++other) {
      int can = other == owner;
      if (!can) call(driver_.cuDeviceCanAccessPeer, &can, devices_[other], devices_[owner]);
      if (!can) continue;
      CUmemAccessDesc access{};
      access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
      access.location.id = devices_[other];
      access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
      access_[owner].push_back(access);
    }
  }
}

CUmemAllocationProp DriverBacking::properties(unsigned device) const {
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.location.id = devices_[device];
  if (shareable_) wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return wanted;
}

CUresult DriverBacking::create(unsigned device, std::uint64_t size, std::uint64_t* handle) {
  const CUmemAllocationProp wanted = properties(device);
  CUmemGenericAllocationHandle made = 0;
  const CUresult result = call(driver_.cuMemCreate, &made, size, &wanted, 0ull);
  *handle = made;
  return result;
}

void DriverBacking::destroy(std::uint64_t handle) { call(driver_.cuMemRelease, handle); }

CUresult DriverBacking::map(std::uint64_t address, std::uint64_t size, std::uint64_t offset,
                            std::uint64_t handle) {
  return call(driver_.cuMemMap, address, size, offset, handle, 0ull);
}

CUresult DriverBacking::allow_access(unsigned device, std::uint64_t address, std::uint64_t size) {
  return call(driver_.cuMemSetAccess, address, size, access_[device].data(), access_[device].size());
}

void DriverBacking::unmap(std::uint64_t address, std::uint64_t size) {
  call(driver_.cuMemUnmap, address, size);
}

CUresult DriverBacking::export_file(std::uint64_t handle, int* file) {
  if (!shareable_) return CUDA_ERROR_NOT_SUPPORTED;
  return call(driver_.cuMemExportToShareableHandle, static_cast<void*>(file), handle,
              CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0ull);
}

CUresult DriverBacking::import_file(int file, std::uint64_t* handle) {
  CUmemGenericAllocationHandle found = 0;
  void* const descriptor = reinterpret_cast<void*>(static_cast<std::intptr_t>(file));
  const CUresult result = call(driver_.cuMemImportFromShareableHandle, &found, descriptor,
                               CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
  *handle = found;
  return result;
}

}  // namespace worker
