// SPDX-License-Identifier: BSD-3-Clause
// Arrays: images in device memory that no pointer reaches, only copies, textures and surfaces.
#pragma once

#include <memory>
#include <vector>

#include "api.h"
#include "context.h"
#include "engine/texture.h"

namespace softgpu::driver {

// Device memory of an array, given back when the last user is gone.
class ArrayStorage {
 public:
  // Throws OUT_OF_MEMORY.
  ArrayStorage(Device& device, size_t bytes);
  ~ArrayStorage();
  ArrayStorage(const ArrayStorage&) = delete;
  uint8_t* data() const { return data_; }

 private:
  Device& device_;
  const size_t bytes_;
  uint8_t* data_;
};

class Array {
 public:
  Array(uint64_t context, const CUDA_ARRAY3D_DESCRIPTOR& descriptor, std::shared_ptr<ArrayStorage> storage,
        size_t offset, bool of_mipmap);

  size_t row_bytes() const { return level.width * format.bytes(); }
  size_t bytes() const { return level.slice * level.depth; }
  CUarray handle() { return reinterpret_cast<CUarray>(this); }

  const uint64_t context;  // id of the owner
  const CUDA_ARRAY3D_DESCRIPTOR descriptor;
  const TexelFormat format;
  const TexelLevel level;
  const std::shared_ptr<ArrayStorage> storage;
  const bool of_mipmap;  // a level: it ends with its mipmapped array
};

struct MipmappedArray {
  uint64_t context;
  CUDA_ARRAY3D_DESCRIPTOR descriptor;
  std::vector<std::shared_ptr<Array>> levels;

  size_t bytes() const;
};

// Alignment of every array's memory, and of each level in it.
inline constexpr size_t kArrayAlignment = 512;

// Throws INVALID_VALUE, or NOT_SUPPORTED for a format that exists but is not known here.
TexelFormat texel_format(CUarray_format format, unsigned channels);
// How coordinates move in an array of that shape: 1, 2 or 3.
int dimensions_of(const CUDA_ARRAY3D_DESCRIPTOR& descriptor);

// These check the descriptor; their objects have live handles.
std::shared_ptr<Array> make_array(Context& context, const CUDA_ARRAY3D_DESCRIPTOR& descriptor);
std::shared_ptr<MipmappedArray> make_mipmapped_array(Context& context, CUDA_ARRAY3D_DESCRIPTOR descriptor,
                                                     unsigned levels);
void retire(MipmappedArray& array);
// Everything that the context still owns.
void free_arrays(const Context& context);

}  // namespace softgpu::driver
