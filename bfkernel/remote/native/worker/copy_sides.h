// SPDX-License-Identifier: BSD-3-Clause
// The two sides of a copy: checked against what is the client's, and as the driver takes them.
#pragma once

#include "worker/calls.h"

namespace worker {

// One side of a copy: memory, or a place in an array.
struct CopySide {
  const wire::Pitched& memory;
  const wire::ArrayPlace& array;
};

inline CopySide source(const wire::Copy3D& message) { return {message.source, message.source_array}; }
inline CopySide destination(const wire::Copy3D& message) {
  return {message.destination, message.destination_array};
}

// Throws CudaError where the copy would leave what is the client's.
void check_side(Session& session, const wire::Copy3D& message, const CopySide& side);

void set_source(Session& session, CUDA_MEMCPY3D& copy, const CopySide& side);
void set_destination(Session& session, CUDA_MEMCPY3D& copy, const CopySide& side);
CUDA_MEMCPY3D extent(const wire::Copy3D& message);

}  // namespace worker
