// SPDX-License-Identifier: BSD-3-Clause
#include "worker/copy_sides.h"

#include "wire/extent.h"

namespace worker {
namespace {

// Rows and slices must not lie in each other: besides being meant by nobody, that would let a small range
// stand for a copy without end.
void check_pitched(Session& session, const wire::Copy3D& message, const wire::Pitched& side) {
  const std::uint64_t slice = wire::pitched(side.pitch, 1, message.width_bytes, message.height);
  const bool rows_overlap = message.height > 1 && side.pitch < message.width_bytes;
  const bool slices_overlap = message.depth > 1 && side.slice_pitch < slice;
  if (rows_overlap || slices_overlap) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  session.check_device(side.address, wire::pitched(side.slice_pitch, 1, slice, message.depth));
}

bool fits(std::uint64_t begin, std::uint64_t size, std::uint64_t room) {
  return begin <= room && size <= room - begin;
}

CUarray array_of(Session& session, const wire::ArrayPlace& place) {
  return session.handle<CUarray>(wire::Kind::array, place.array);
}

// Slices that are no whole number of rows apart cannot be told to the driver.
bool whole_rows(const wire::Copy3D& message, const wire::Pitched& side) {
  if (message.depth <= 1) return true;
  return side.pitch != 0 && side.slice_pitch % side.pitch == 0;
}

}  // namespace

void check_side(Session& session, const wire::Copy3D& message, const CopySide& side) {
  if (side.array.array == 0) {
    check_pitched(session, message, side.memory);
    if (!whole_rows(message, side.memory)) throw CudaError{CUDA_ERROR_INVALID_VALUE};
    return;
  }
  array_of(session, side.array);
  const auto array = session.arrays().find(side.array.array);
  const bool inside = array && fits(side.array.x_bytes, message.width_bytes, array->row_bytes) &&
                      fits(side.array.y, message.height, array->height) &&
                      fits(side.array.z, message.depth, array->depth);
  if (!inside) throw CudaError{CUDA_ERROR_INVALID_VALUE};
}

// CUDA counts the distance between slices in rows.
void set_source(Session& session, CUDA_MEMCPY3D& copy, const CopySide& side) {
  if (side.array.array != 0) {
    copy.srcMemoryType = CU_MEMORYTYPE_ARRAY;
    copy.srcArray = array_of(session, side.array);
    copy.srcXInBytes = side.array.x_bytes, copy.srcY = side.array.y, copy.srcZ = side.array.z;
    return;
  }
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = side.memory.address;
  copy.srcPitch = side.memory.pitch;
  copy.srcHeight = side.memory.pitch != 0 ? side.memory.slice_pitch / side.memory.pitch : 0;
}

void set_destination(Session& session, CUDA_MEMCPY3D& copy, const CopySide& side) {
  if (side.array.array != 0) {
    copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    copy.dstArray = array_of(session, side.array);
    copy.dstXInBytes = side.array.x_bytes, copy.dstY = side.array.y, copy.dstZ = side.array.z;
    return;
  }
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = side.memory.address;
  copy.dstPitch = side.memory.pitch;
  copy.dstHeight = side.memory.pitch != 0 ? side.memory.slice_pitch / side.memory.pitch : 0;
}

CUDA_MEMCPY3D extent(const wire::Copy3D& message) {
  CUDA_MEMCPY3D copy{};
  copy.WidthInBytes = message.width_bytes;
  copy.Height = message.height;
  copy.Depth = message.depth;
  return copy;
}

}  // namespace worker
