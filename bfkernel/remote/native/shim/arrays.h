// SPDX-License-Identifier: BSD-3-Clause
// Arrays as the client knows them: their shape, which never changes.
#pragma once

#include <mutex>
#include <vector>

#include "shim/handles.h"
#include "wire/array_format.h"

namespace shim {

struct ArrayObject : Object {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  bool part = false;  // a level or plane: it ends with the whole
  std::vector<CUarray> parts;

  uint64_t element_bytes() const { return wire::element_bytes(descriptor.Format, descriptor.NumChannels); }
  uint64_t row_bytes() const { return descriptor.Width * element_bytes(); }
};

struct MipmappedObject : Object {
  std::vector<CUarray> parts;  // by level, null where nobody has asked
};

}  // namespace shim
