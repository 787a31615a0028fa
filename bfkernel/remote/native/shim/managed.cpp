// SPDX-License-Identifier: BSD-3-Clause
// Managed memory: memory of the window, as any other on the server, with pages at the same addresses here
// (shared_pages.h). Advice is kept and answered; what it asks for happens anyway.
#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/memory.h"
#include "shim/request.h"
#include "shim/shared_memory.h"
#include "shim/shared_pages.h"

namespace shim::managed {
namespace {

// What a program has said about an allocation, or was answered about it.
struct Advice {
  bool read_mostly = false;
  int preferred = CU_DEVICE_INVALID;
  int prefetched = CU_DEVICE_INVALID;
  std::set<int> accessed_by;
};

std::mutex& mutex = *new std::mutex;
std::map<uint64_t, Advice>& advice = *new std::map<uint64_t, Advice>;  // by the allocation's buffer id

memory::Allocation find(uint64_t address, uint64_t size) {
  const auto found = memory::find(address);
  require(found && memory::is_managed(*found), CUDA_ERROR_INVALID_VALUE);
  require(size > 0 && size <= found->size - (address - found->address), CUDA_ERROR_INVALID_VALUE);
  return *found;
}

// A place as the older calls name it: a device, or CU_DEVICE_CPU.
int place_of(const CUmemLocation& location) {
  switch (location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      devices::info(location.id);
      return location.id;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
      return CU_DEVICE_CPU;
    default:
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
}

CUmemLocation location_of(CUdevice device) {
  CUmemLocation location{};
  location.type = device == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
  location.id = device == CU_DEVICE_CPU ? 0 : device;
  return location;
}

int location_type(int place) {
  if (place == CU_DEVICE_INVALID) return CU_MEM_LOCATION_TYPE_INVALID;
  return place == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
}

void apply(Advice& to, CUmem_advise what, const CUmemLocation& location) {
  switch (what) {
    case CU_MEM_ADVISE_SET_READ_MOSTLY:
    case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
      to.read_mostly = what == CU_MEM_ADVISE_SET_READ_MOSTLY;
      break;
    case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
      to.preferred = place_of(location);
      break;
    case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
      to.preferred = CU_DEVICE_INVALID;
      break;
    case CU_MEM_ADVISE_SET_ACCESSED_BY:
      to.accessed_by.insert(place_of(location));
      break;
    case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
      to.accessed_by.erase(place_of(location));
      break;
    default:
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
}

int answer(const Advice& from, CUmem_range_attribute attribute) {
  switch (attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
      return from.read_mostly;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
      return from.preferred;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
      return from.prefetched;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
      return location_type(from.preferred);
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
      return location_type(from.prefetched);
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
      return std::max(from.preferred, 0);
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
      return std::max(from.prefetched, 0);
    default:
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
}

void prefetch(uint64_t address, uint64_t size, const CUmemLocation& location, CUstream stream) {
  const memory::Allocation in = find(address, size);
  id_of(stream);
  const int place = place_of(location);
  if (place == CU_DEVICE_CPU)
    shared_pages::fetch(address, size);
  else
    shared_pages::give(address, size);
  const std::lock_guard lock(mutex);
  advice[in.buffer_id].prefetched = place;
}

}  // namespace
}  // namespace shim::managed

namespace shim::api {

using managed::find;

CUresult cuMemAllocManaged(CUdeviceptr* dptr, size_t bytesize, unsigned int flags) {
  require(dptr);
  require(bytesize > 0 && bytesize < SIZE_MAX / 2, CUDA_ERROR_INVALID_VALUE);
  require(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST, CUDA_ERROR_INVALID_VALUE);
  *dptr = shared_memory::allocate(bytesize, memory::Origin::managed);
  return CUDA_SUCCESS;
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count, CUmemLocation location, unsigned int flags,
                               CUstream hStream) {
  require(flags == 0, CUDA_ERROR_INVALID_VALUE);
  managed::prefetch(devPtr, count, location, hStream);
  return CUDA_SUCCESS;
}

CUresult cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream) {
  return api::cuMemPrefetchAsync_v2(devPtr, count, managed::location_of(dstDevice), 0, hStream);
}

CUresult cuMemPrefetchBatchAsync(CUdeviceptr* dptrs, size_t* sizes, size_t count, CUmemLocation* prefetchLocs,
                                 size_t* prefetchLocIdxs, size_t numPrefetchLocs, unsigned long long flags,
                                 CUstream hStream) {
  require(dptrs && sizes && prefetchLocs && prefetchLocIdxs && count > 0, CUDA_ERROR_INVALID_VALUE);
  require(flags == 0 && numPrefetchLocs > 0 && numPrefetchLocs <= count && prefetchLocIdxs[0] == 0,
          CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0, place = 0; i < count; ++i) {
    while (place + 1 < numPrefetchLocs && prefetchLocIdxs[place + 1] <= i) ++place;
    managed::prefetch(dptrs[i], sizes[i], prefetchLocs[place], hStream);
  }
  return CUDA_SUCCESS;
}

CUresult cuMemDiscardBatchAsync(CUdeviceptr* dptrs, size_t* sizes, size_t count, unsigned long long flags,
                                CUstream hStream) {
  require(dptrs && sizes && count > 0 && flags == 0, CUDA_ERROR_INVALID_VALUE);
  require(id_of(hStream) != wire::kNullHandle && hStream != CU_STREAM_LEGACY, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; ++i) find(dptrs[i], sizes[i]);
  for (size_t i = 0; i < count; ++i) shared_pages::discard(dptrs[i], sizes[i]);
  return CUDA_SUCCESS;
}

CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr* dptrs, size_t* sizes, size_t count,
                                           CUmemLocation* prefetchLocs, size_t* prefetchLocIdxs,
                                           size_t numPrefetchLocs, unsigned long long flags,
                                           CUstream hStream) {
  api::cuMemDiscardBatchAsync(dptrs, sizes, count, flags, hStream);
  return api::cuMemPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs,
                                      flags, hStream);
}

CUresult cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUmemLocation location) {
  const memory::Allocation in = find(devPtr, count);
  const std::lock_guard lock(managed::mutex);
  managed::apply(managed::advice[in.buffer_id], advice, location);
  return CUDA_SUCCESS;
}

CUresult cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device) {
  return api::cuMemAdvise_v2(devPtr, count, advice, managed::location_of(device));
}

CUresult cuMemRangeGetAttribute(void* data, size_t dataSize, CUmem_range_attribute attribute,
                                CUdeviceptr devPtr, size_t count) {
  require(data);
  require(dataSize > 0 && dataSize % sizeof(int) == 0, CUDA_ERROR_INVALID_VALUE);
  const memory::Allocation in = find(devPtr, count);
  const std::lock_guard lock(managed::mutex);
  const managed::Advice& known = managed::advice[in.buffer_id];
  std::vector<int> values;
  if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) {
    values.assign(known.accessed_by.begin(), known.accessed_by.end());
    values.resize(dataSize / sizeof(int), CU_DEVICE_INVALID);
  } else {
    require(dataSize == sizeof(int), CUDA_ERROR_INVALID_VALUE);
    values = {managed::answer(known, attribute)};
  }
  std::memcpy(data, values.data(), dataSize);
  return CUDA_SUCCESS;
}

CUresult cuMemRangeGetAttributes(void** data, size_t* dataSizes, CUmem_range_attribute* attributes,
                                 size_t numAttributes, CUdeviceptr devPtr, size_t count) {
  require(data && dataSizes && attributes && numAttributes > 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < numAttributes; ++i)
    api::cuMemRangeGetAttribute(data[i], dataSizes[i], attributes[i], devPtr, count);
  return CUDA_SUCCESS;
}

// While memory is attached to the host alone, the GPU does not use it, and it stays here. All else is what
// happens without: a stream's memory is fetched when it is touched.
CUresult cuStreamAttachMemAsync(CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags) {
  const bool known =
      flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST || flags == CU_MEM_ATTACH_SINGLE;
  require(known, CUDA_ERROR_INVALID_VALUE);
  id_of(hStream);
  const memory::Allocation in = find(dptr, std::max<size_t>(length, 1));
  require(dptr == in.address && (length == 0 || length == in.size), CUDA_ERROR_INVALID_VALUE);
  // A variable shares its pages with others.
  if (in.origin == memory::Origin::managed) shared_pages::keep_here(dptr, flags == CU_MEM_ATTACH_HOST);
  return CUDA_SUCCESS;
}

}  // namespace shim::api
