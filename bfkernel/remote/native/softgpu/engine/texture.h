// SPDX-License-Identifier: BSD-3-Clause
// Textures and surfaces: what the driver half makes, and the instructions read and write.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace softgpu {

enum class Channel : uint8_t { u8, u16, u32, s8, s16, s32, f16, f32 };

struct TexelFormat {
  Channel channel = Channel::f32;
  int channels = 1;  // 1, 2 or 4

  size_t channel_bytes() const;
  size_t bytes() const { return channel_bytes() * static_cast<size_t>(channels); }
};

// One level of detail: texels row by row, slice by slice. Layers and the faces of cubes are slices.
struct TexelLevel {
  uint8_t* data = nullptr;
  uint32_t width = 1;
  uint32_t height = 1;
  uint32_t depth = 1;
  size_t pitch = 0;  // bytes from row to row
  size_t slice = 0;  // bytes from slice to slice
};

struct TexelImage {
  TexelFormat format;
  int dimensions = 1;  // in which coordinates move within a slice, or 3
  bool layered = false;
  bool cube = false;
  bool linear = false;  // plain memory, read by index: outside of it there are zeros
  std::vector<TexelLevel> levels;
  // Memory that is not the image's own may be gone by the time it is read, so each use asks the memory map.
  uint64_t borrowed_address = 0;
  size_t borrowed_bytes = 0;
  std::shared_ptr<const void> storage;  // keeps its own memory
};

enum class TextureAddressing : uint8_t { wrap, clamp, mirror, border };

struct Texture {
  TexelImage image;
  std::array<TextureAddressing, 3> addressing = {TextureAddressing::clamp, TextureAddressing::clamp,
                                                 TextureAddressing::clamp};
  bool interpolate = false;         // between texels, else the nearest
  bool interpolate_levels = false;  // between levels of detail
  bool normalized = false;          // coordinates go from 0 to 1
  bool as_integer = false;          // 8 and 16 bit integers come back as they are, not as fractions
  bool srgb = false;
  float level_bias = 0;
  float lowest_level = 0;
  float highest_level = 0;
  std::array<float, 4> border = {0, 0, 0, 0};
};

// What the handles that kernels hold mean. Called from many threads at once; the driver half implements it.
class TextureTable {
 public:
  virtual ~TextureTable() = default;
  // Null where there is none of that handle.
  virtual std::shared_ptr<const Texture> texture(uint64_t handle) const = 0;
  virtual std::shared_ptr<const TexelImage> surface(uint64_t handle) const = 0;
};

}  // namespace softgpu
