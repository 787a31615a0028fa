// SPDX-License-Identifier: BSD-3-Clause
#include "worker/copy_sides.h"

#include "wire/extent.h"
#include "wire/memory_messages.h"

namespace worker {

const SideFields kSourceFields{
    &CUDA_MEMCPY3D::srcMemoryType, &CUDA_MEMCPY3D::srcArray,  &CUDA_MEMCPY3D::srcXInBytes,
    &CUDA_MEMCPY3D::srcY,          &CUDA_MEMCPY3D::srcZ,      &CUDA_MEMCPY3D::srcDevice,
    &CUDA_MEMCPY3D::srcPitch,      &CUDA_MEMCPY3D::srcHeight,
};
const SideFields kDestinationFields{
    &CUDA_MEMCPY3D::dstMemoryType, &CUDA_MEMCPY3D::dstArray,  &CUDA_MEMCPY3D::dstXInBytes,
    &CUDA_MEMCPY3D::dstY,          &CUDA_MEMCPY3D::dstZ,      &CUDA_MEMCPY3D::dstDevice,
    &CUDA_MEMCPY3D::dstPitch,      &CUDA_MEMCPY3D::dstHeight,
};

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
void set_side(Session& session, CUDA_MEMCPY3D& copy, const CopySide& side) {
  const SideFields& fields = side.fields;
  if (side.array.array != 0) {
    copy.*fields.type = CU_MEMORYTYPE_ARRAY;
    copy.*fields.array = array_of(session, side.array);
    copy.*fields.x_bytes = side.array.x_bytes, copy.*fields.y = side.array.y, copy.*fields.z = side.array.z;
    return;
  }
  copy.*fields.type = CU_MEMORYTYPE_DEVICE;
  copy.*fields.address = side.memory.address;
  copy.*fields.pitch = side.memory.pitch;
  copy.*fields.height = side.memory.pitch != 0 ? side.memory.slice_pitch / side.memory.pitch : 0;
}

CUDA_MEMCPY3D extent(const wire::Copy3D& message) {
  CUDA_MEMCPY3D copy{};
  copy.WidthInBytes = message.width_bytes;
  copy.Height = message.height;
  copy.Depth = message.depth;
  return copy;
}

}  // namespace worker
