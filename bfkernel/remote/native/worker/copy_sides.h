// SPDX-License-Identifier: BSD-3-Clause
// The two sides of a copy: checked against what is the client's, and as the driver takes them.
#pragma once

#include "wire/memory_messages.h"
#include "worker/calls.h"

namespace worker {

// Where a side stands in the driver's struct, whose sides differ in the names of their fields only.
struct SideFields {
  CUmemorytype CUDA_MEMCPY3D::* type;
  CUarray CUDA_MEMCPY3D::* array;
  std::size_t CUDA_MEMCPY3D::* x_bytes;
  std::size_t CUDA_MEMCPY3D::* y;
  std::size_t CUDA_MEMCPY3D::* z;
  CUdeviceptr CUDA_MEMCPY3D::* address;
  std::size_t CUDA_MEMCPY3D::* pitch;
  std::size_t CUDA_MEMCPY3D::* height;
};
extern const SideFields kSourceFields, kDestinationFields;

// One side of a copy: memory, or a place in an array.
struct CopySide {
  const wire::Pitched& memory;
  const wire::ArrayPlace& array;
  const SideFields& fields;
};

inline CopySide source(const wire::Copy3D& message) {
  return {message.source, message.source_array, kSourceFields};
}
inline CopySide destination(const wire::Copy3D& message) {
  return {message.destination, message.destination_array, kDestinationFields};
}

// Throws CudaError where the copy would leave what is the client's.
void check_side(Session& session, const wire::Copy3D& message, const CopySide& side);

void set_side(Session& session, CUDA_MEMCPY3D& copy, const CopySide& side);
CUDA_MEMCPY3D extent(const wire::Copy3D& message);

}  // namespace worker
