// SPDX-License-Identifier: BSD-3-Clause
// Reading a texture at a place: coordinates, addressing, filters, levels of detail.
#pragma once

#include "engine/texels.h"

namespace softgpu {

// Where one lane reads. Coordinates that the instruction does not have are 0.
struct TexturePlace {
  bool integral = false;  // whole coordinates name texels, without any filter
  bool cube = false;      // the coordinates are a direction
  std::array<float, 3> at = {0, 0, 0};
  std::array<int32_t, 3> index = {0, 0, 0};
  std::array<int32_t, 3> offset = {0, 0, 0};  // in texels
  uint32_t layer = 0;
  float level = 0;
};

Texel sample(const Texture& texture, const TexturePlace& place);
// One channel of the four texels that a bilinear filter would mix, anticlockwise from the lower left.
Texel gather(const Texture& texture, const TexturePlace& place, int channel);
// The level of detail at which one step of the given gradients is about one texel.
float level_of(const Texture& texture, const std::array<float, 3>& dx, const std::array<float, 3>& dy);

}  // namespace softgpu
