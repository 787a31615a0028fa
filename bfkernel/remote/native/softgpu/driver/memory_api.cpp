// SPDX-License-Identifier: BSD-3-Clause
// cuMemAlloc and its relatives.
#include <limits>

#include "capture.h"
#include "current.h"
#include "memory.h"

using namespace softgpu::driver;

namespace {

// Rows of a pitched allocation begin where the widest memory transaction does.
constexpr size_t kPitch = 512;

bool is_users(const Range& range) {
  return !range.internal && (range.kind == RangeKind::device || range.kind == RangeKind::managed ||
                             range.kind == RangeKind::pool);
}

}  // namespace

SOFTGPU_API cuMemGetInfo_v2(size_t* free, size_t* total) {
  return with_context([&](Context& context) {
    require(free != nullptr || total != nullptr);
    if (free) *free = context.device.capacity.free();
    if (total) *total = context.device.capacity.total();
  });
}

SOFTGPU_API cuMemAlloc_v2(CUdeviceptr* dptr, size_t bytesize) {
  return with_context([&](Context& context) {
    require(dptr != nullptr && bytesize > 0);
    not_in_unsafe_capture();
    *dptr = allocate(context, bytesize, RangeKind::device);
  });
}

SOFTGPU_API cuMemAllocPitch_v2(CUdeviceptr* dptr, size_t* pPitch, size_t WidthInBytes, size_t Height,
                               unsigned int ElementSizeBytes) {
  return with_context([&](Context& context) {
    require(dptr != nullptr && pPitch != nullptr && WidthInBytes > 0 && Height > 0);
    not_in_unsafe_capture();
    require(ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16);
    require(WidthInBytes <= std::numeric_limits<size_t>::max() - kPitch, CUDA_ERROR_OUT_OF_MEMORY);
    size_t pitch = (WidthInBytes + kPitch - 1) / kPitch * kPitch;
    require(pitch <= std::numeric_limits<size_t>::max() / Height, CUDA_ERROR_OUT_OF_MEMORY);
    *dptr = allocate(context, pitch * Height, RangeKind::device);
    *pPitch = pitch;
  });
}

SOFTGPU_API cuMemFree_v2(CUdeviceptr dptr) {
  return with_context([&](Context&) {
    if (dptr == 0) return;
    not_in_unsafe_capture();
    if (std::shared_ptr<GraphBlock> block = GraphBlock::at(dptr)) {
      require(block->unclaim());
      Driver::get().drain();
      block->close();
      return;
    }
    std::optional<Range> known = AddressSpace::instance().find(dptr);
    require(known && known->begin == dptr && is_users(*known));
    Driver::get().drain();  // cuMemFree waits for the device: no kernel may lose memory while it runs
    std::optional<Range> range = AddressSpace::instance().remove(dptr, is_users);
    require(range.has_value());
    release(*range);
  });
}

SOFTGPU_API cuMemGetAddressRange_v2(CUdeviceptr* pbase, size_t* psize, CUdeviceptr dptr) {
  return with_context([&](Context&) {
    std::optional<Range> range = AddressSpace::instance().find(dptr);
    require(range.has_value(), CUDA_ERROR_NOT_FOUND);
    if (pbase) *pbase = range->begin;
    if (psize) *psize = range->size();
  });
}
