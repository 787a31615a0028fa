// SPDX-License-Identifier: BSD-3-Clause
// Host memory that devices reach: allocated here, or the program's own and registered.
#include <sys/mman.h>

#include "capture.h"
#include "current.h"
#include "memory.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kAllocFlags =
    CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
constexpr unsigned kRegisterFlags = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP |
                                    CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY;
constexpr uint64_t kPage = 4096;

Range host_range(const Context& context, uint64_t address, size_t size, RangeKind kind, unsigned flags) {
  Range range;
  range.begin = address;
  range.end = address + size;
  range.kind = kind;
  range.device = context.device.ordinal;
  range.access = ~uint32_t{0};
  range.context = context.id;
  range.flags = flags;
  return range;
}

// Whether the program itself has every page of it; a kernel must never find a hole.
bool is_mapped(uint64_t address, size_t size) {
  uint64_t begin = address / kPage * kPage;
  return msync(reinterpret_cast<void*>(begin), address + size - begin, MS_ASYNC) == 0;
}

std::optional<Range> host_range_at(const void* p) {
  std::optional<Range> range = AddressSpace::instance().find(reinterpret_cast<uint64_t>(p));
  return range && range->is_host() ? range : std::nullopt;
}

}  // namespace

SOFTGPU_API cuMemHostAlloc(void** pp, size_t bytesize, unsigned int Flags) {
  return with_context([&](Context& context) {
    require(pp != nullptr && bytesize > 0 && (Flags & ~kAllocFlags) == 0);
    not_in_unsafe_capture();
    void* memory = mmap(nullptr, bytesize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(memory != MAP_FAILED, CUDA_ERROR_OUT_OF_MEMORY);
    AddressSpace::instance().insert(
        host_range(context, reinterpret_cast<uint64_t>(memory), bytesize, RangeKind::host_allocated, Flags));
    *pp = memory;
  });
}

SOFTGPU_API cuMemAllocHost_v2(void** pp, size_t bytesize) { return cuMemHostAlloc(pp, bytesize, 0); }

SOFTGPU_API cuMemFreeHost(void* p) {
  return with_context([&](Context&) {
    if (!p) return;
    not_in_unsafe_capture();
    std::optional<Range> known = host_range_at(p);
    uint64_t address = reinterpret_cast<uint64_t>(p);
    require(known && known->begin == address && known->kind == RangeKind::host_allocated);
    Driver::get().drain();
    std::optional<Range> range = AddressSpace::instance().remove(
        address, [](const Range& found) { return found.kind == RangeKind::host_allocated; });
    require(range.has_value());
    release(*range);
  });
}

SOFTGPU_API cuMemHostRegister_v2(void* p, size_t bytesize, unsigned int Flags) {
  return with_context([&](Context& context) {
    uint64_t address = reinterpret_cast<uint64_t>(p);
    require(p != nullptr && bytesize > 0 && (Flags & ~kRegisterFlags) == 0);
    require(address + bytesize > address && is_mapped(address, bytesize));
    AddressSpace& space = AddressSpace::instance();
    require(space.overlapping(address, address + bytesize).empty(),
            CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    space.insert(host_range(context, address, bytesize, RangeKind::host_registered, Flags));
  });
}

SOFTGPU_API cuMemHostUnregister(void* p) {
  return with_context([&](Context&) {
    Driver::get().drain();
    std::optional<Range> range = AddressSpace::instance().remove(
        reinterpret_cast<uint64_t>(p),
        [](const Range& found) { return found.kind == RangeKind::host_registered; });
    require(range.has_value(), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  });
}

SOFTGPU_API cuMemHostGetDevicePointer_v2(CUdeviceptr* pdptr, void* p, unsigned int Flags) {
  return with_context([&](Context&) {
    require(pdptr != nullptr && Flags == 0 && host_range_at(p).has_value());
    *pdptr = reinterpret_cast<CUdeviceptr>(p);
  });
}

SOFTGPU_API cuMemHostGetFlags(unsigned int* pFlags, void* p) {
  return with_context([&](Context&) {
    std::optional<Range> range = host_range_at(p);
    require(pFlags != nullptr && range.has_value());
    *pFlags = range->flags | CU_MEMHOSTALLOC_DEVICEMAP;  // under unified addressing all of it is mapped
  });
}
