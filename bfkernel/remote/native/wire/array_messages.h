// SPDX-License-Identifier: BSD-3-Clause
// Arrays, and the textures and surfaces through which kernels see them. Copies of arrays are wire::Copy3D.
#pragma once

#include "wire/memory_messages.h"

namespace wire {

struct ArrayDescriptor {
  uint64_t width = 0;  // elements
  uint64_t height = 0;
  uint64_t depth = 0;
  uint32_t format = 0;  // CUarray_format
  uint32_t channels = 0;
  uint32_t flags = 0;  // CUDA_ARRAY3D_…
  BFKERNEL_FIELDS(width, height, depth, format, channels, flags)
};
struct ArrayCreate {
  BFKERNEL_MESSAGE(ArrayCreate);
  uint64_t array = 0;
  ArrayDescriptor descriptor;
  uint32_t levels = 0;  // 0: an array; else a mipmapped array with at most as many
  BFKERNEL_FIELDS(array, descriptor, levels)
};
struct ArrayDestroy {
  BFKERNEL_MESSAGE(ArrayDestroy);
  uint64_t array = 0;
  uint8_t mipmapped = 0;
  BFKERNEL_FIELDS(array, mipmapped)
};
// One level of a mipmapped array, or one plane of an array: an array under an id of its own, which ends with
// the whole.
struct ArrayPart {
  BFKERNEL_MESSAGE(ArrayPart);
  uint64_t whole = 0;
  uint8_t mipmapped = 0;
  uint32_t index = 0;
  uint64_t part = 0;
  BFKERNEL_FIELDS(whole, mipmapped, index, part)
  struct Reply {
    ArrayDescriptor descriptor;
    BFKERNEL_FIELDS(descriptor)
  };
};

// CUDA_RESOURCE_DESC with ids in the place of handles.
struct Resource {
  uint32_t type = 0;   // CUresourcetype
  uint64_t array = 0;  // or mipmapped array
  uint64_t address = 0;
  uint32_t format = 0;
  uint32_t channels = 0;
  uint64_t width = 0;  // elements; of linear memory bytes
  uint64_t height = 0;
  uint64_t pitch = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(type, array, address, format, channels, width, height, pitch, flags)
};
// The number that kernels take is the driver's; to us the client names the object by an id of its own.
struct ObjectReply {
  uint64_t number = 0;
  BFKERNEL_FIELDS(number)
};
struct TextureCreate {
  BFKERNEL_MESSAGE(TextureCreate);
  uint64_t texture = 0;
  Resource resource;
  Bytes description;  // CUDA_TEXTURE_DESC
  Bytes view;         // CUDA_RESOURCE_VIEW_DESC, or nothing
  BFKERNEL_FIELDS(texture, resource, description, view)
  using Reply = ObjectReply;
};
struct TextureDestroy {
  BFKERNEL_MESSAGE(TextureDestroy);
  uint64_t texture = 0;
  BFKERNEL_FIELDS(texture)
};
struct SurfaceCreate {
  BFKERNEL_MESSAGE(SurfaceCreate);
  uint64_t surface = 0;
  Resource resource;
  BFKERNEL_FIELDS(surface, resource)
  using Reply = ObjectReply;
};
struct SurfaceDestroy {
  BFKERNEL_MESSAGE(SurfaceDestroy);
  uint64_t surface = 0;
  BFKERNEL_FIELDS(surface)
};

}  // namespace wire
