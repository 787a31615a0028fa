// SPDX-License-Identifier: BSD-3-Clause
// Managed memory: one piece of memory to all devices and the host.
#include <algorithm>

#include "advice.h"
#include "capture.h"
#include "current.h"
#include "memory.h"

using namespace softgpu::driver;

namespace {

// No node of a graph stands for what changes nothing here.
void not_captured(Context& context, CUstream handle) {
  std::shared_ptr<Stream> stream = resolve_stream(context, handle);
  not_in_capture_of(*owner(*stream), *stream);
}

// All of [address, address + size) is managed. Throws INVALID_VALUE.
void require_managed(uint64_t address, size_t size) {
  require(size > 0 && address + size > address);
  std::optional<Range> range = AddressSpace::instance().find(address);
  require(range && range->kind == RangeKind::managed && size <= range->end - address);
}

int place_of(Driver& driver, const CUmemLocation& location) {
  switch (location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      return driver.device(location.id).ordinal;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
      return kHost;
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

// Older forms name the host as a device of its own.
CUmemLocation location_of(CUdevice device) {
  CUmemLocation location = {};
  location.type = device == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
  location.id = device == CU_DEVICE_CPU ? 0 : device;
  return location;
}

void apply(CUmem_advise advice, int place, Advised& advised) {
  std::vector<int>& by = advised.accessed_by;
  auto found = std::lower_bound(by.begin(), by.end(), place);
  bool listed = found != by.end() && *found == place;
  switch (advice) {
    case CU_MEM_ADVISE_SET_READ_MOSTLY:
      advised.read_mostly = true;
      break;
    case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
      advised.read_mostly = false;
      break;
    case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
      advised.preferred = place;
      break;
    case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
      advised.preferred = kNowhere;
      break;
    case CU_MEM_ADVISE_SET_ACCESSED_BY:
      if (!listed) by.insert(found, place);
      break;
    case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
      if (listed) by.erase(found);
      break;
  }
}

void prefetch(uint64_t address, size_t size, int place) {
  require_managed(address, size);
  Advice::instance().change(address, address + size, [&](Advised& advised) { advised.prefetched = place; });
}

// The one value that all parts agree on.
int common(const std::vector<Advised>& parts, int Advised::* member) {
  int first = parts.front().*member;
  bool same =
      std::all_of(parts.begin(), parts.end(), [&](const Advised& part) { return part.*member == first; });
  return same ? first : kNowhere;
}

int location_type(int place) {
  if (place == kNowhere) return CU_MEM_LOCATION_TYPE_INVALID;
  return place == kHost ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
}

void put_accessed_by(const std::vector<Advised>& parts, int* out, size_t count) {
  std::vector<int> everywhere = parts.front().accessed_by;
  for (const Advised& part : parts) {
    std::erase_if(everywhere, [&](int place) {
      return !std::binary_search(part.accessed_by.begin(), part.accessed_by.end(), place);
    });
  }
  for (size_t i = 0; i < count; ++i) out[i] = i < everywhere.size() ? everywhere[i] : kNowhere;
}

void get_range_attribute(void* data, size_t size, CUmem_range_attribute attribute, uint64_t address,
                         size_t count) {
  require(data != nullptr && size > 0 && size % sizeof(int) == 0);
  require_managed(address, count);
  std::vector<Advised> parts = Advice::instance().of(address, address + count);
  int* out = static_cast<int*>(data);
  if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) {
    put_accessed_by(parts, out, size / sizeof(int));
    return;
  }
  require(size == sizeof(int));
  int preferred = common(parts, &Advised::preferred);
  int prefetched = common(parts, &Advised::prefetched);
  switch (attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
      *out = std::all_of(parts.begin(), parts.end(), [](const Advised& part) { return part.read_mostly; });
      break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
      *out = preferred;
      break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
      *out = prefetched;
      break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
      *out = location_type(preferred);
      break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
      *out = location_type(prefetched);
      break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
      *out = std::max(preferred, 0);
      break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
      *out = std::max(prefetched, 0);
      break;
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

}  // namespace

SOFTGPU_API cuMemAllocManaged(CUdeviceptr* dptr, size_t bytesize, unsigned int flags) {
  return with_context([&](Context& context) {
    require(dptr != nullptr && bytesize > 0);
    require(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST);
    not_in_unsafe_capture();
    *dptr = allocate(context, bytesize, RangeKind::managed, flags);
  });
}

SOFTGPU_API cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUmemLocation location) {
  return with_driver([&](Driver& driver) {
    require(advice >= CU_MEM_ADVISE_SET_READ_MOSTLY && advice <= CU_MEM_ADVISE_UNSET_ACCESSED_BY);
    require_managed(devPtr, count);
    // Where memory is read mostly, or has no preferred place any more, no place is named.
    bool placed = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION || advice >= CU_MEM_ADVISE_SET_ACCESSED_BY;
    int place = placed ? place_of(driver, location) : kNowhere;
    Advice::instance().change(devPtr, devPtr + count,
                              [&](Advised& advised) { apply(advice, place, advised); });
  });
}

SOFTGPU_API cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device) {
  return cuMemAdvise_v2(devPtr, count, advice, location_of(device));
}

SOFTGPU_API cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count, CUmemLocation location,
                                  unsigned int flags, CUstream hStream) {
  return with_context([&](Context& context) {
    require(flags == 0);
    not_captured(context, hStream);
    prefetch(devPtr, count, place_of(Driver::get(), location));
  });
}

SOFTGPU_API cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream) {
  return cuMemPrefetchAsync_v2(devPtr, count, location_of(dstDevice), 0, hStream);
}

namespace {

// Calls `each` with every range of a batch and the place that it is to go to: locs[i] counts from range
// idxs[i] on.
template <typename Each>
void for_each_range(const CUdeviceptr* dptrs, const size_t* sizes, size_t count, const CUmemLocation* locs,
                    const size_t* idxs, size_t places, Each&& each) {
  require(dptrs != nullptr && sizes != nullptr && count > 0);
  require(locs != nullptr && idxs != nullptr && places > 0 && places <= count && idxs[0] == 0);
  size_t current = 0;
  for (size_t i = 0; i < count; ++i) {
    while (current + 1 < places && idxs[current + 1] <= i) ++current;
    each(dptrs[i], sizes[i], place_of(Driver::get(), locs[current]));
  }
}

}  // namespace

SOFTGPU_API cuMemPrefetchBatchAsync(CUdeviceptr* dptrs, size_t* sizes, size_t count,
                                    CUmemLocation* prefetchLocs, size_t* prefetchLocIdxs,
                                    size_t numPrefetchLocs, unsigned long long flags, CUstream hStream) {
  return with_context([&](Context& context) {
    require(flags == 0);
    not_captured(context, hStream);
    for_each_range(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, prefetch);
  });
}

// Discarded memory may hold anything until it is written: what it held before is as good as anything.
SOFTGPU_API cuMemDiscardBatchAsync(CUdeviceptr* dptrs, size_t* sizes, size_t count, unsigned long long flags,
                                   CUstream hStream) {
  return with_context([&](Context& context) {
    require(flags == 0 && dptrs != nullptr && sizes != nullptr && count > 0);
    not_captured(context, hStream);
    for (size_t i = 0; i < count; ++i) require_managed(dptrs[i], sizes[i]);
  });
}

SOFTGPU_API cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr* dptrs, size_t* sizes, size_t count,
                                              CUmemLocation* prefetchLocs, size_t* prefetchLocIdxs,
                                              size_t numPrefetchLocs, unsigned long long flags,
                                              CUstream hStream) {
  return cuMemPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, flags,
                                 hStream);
}

SOFTGPU_API cuMemRangeGetAttribute(void* data, size_t dataSize, CUmem_range_attribute attribute,
                                   CUdeviceptr devPtr, size_t count) {
  return with_driver([&](Driver&) { get_range_attribute(data, dataSize, attribute, devPtr, count); });
}

SOFTGPU_API cuMemRangeGetAttributes(void** data, size_t* dataSizes, CUmem_range_attribute* attributes,
                                    size_t numAttributes, CUdeviceptr devPtr, size_t count) {
  return with_driver([&](Driver&) {
    require(data != nullptr && dataSizes != nullptr && attributes != nullptr && numAttributes > 0);
    for (size_t i = 0; i < numAttributes; ++i)
      get_range_attribute(data[i], dataSizes[i], attributes[i], devPtr, count);
  });
}

// Attachment restricts who may touch the memory; here nobody needs to be kept from it.
SOFTGPU_API cuStreamAttachMemAsync(CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags) {
  return with_context([&](Context& context) {
    not_captured(context, hStream);
    std::optional<Range> range = AddressSpace::instance().find(dptr);
    require(range && range->kind == RangeKind::managed && range->begin == dptr);
    require(length == 0 || length == range->size());
    require(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST || flags == CU_MEM_ATTACH_SINGLE);
    require(flags != CU_MEM_ATTACH_SINGLE || (hStream != nullptr && hStream != CU_STREAM_LEGACY));
  });
}
