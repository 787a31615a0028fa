// SPDX-License-Identifier: BSD-3-Clause
// One texel between its bytes in memory and the four 32-bit values that instructions exchange.
#pragma once

#include "engine/texture.h"

namespace softgpu {

using Texel = std::array<uint32_t, 4>;  // bits of floats or of integers

bool is_integer(Channel channel);

// Integers extended to 32 bits. Channels that the format lacks are 0.
Texel load_integers(const TexelFormat& format, const uint8_t* bytes);
// Floats; integers of 8 and 16 bits as fractions of their largest value.
std::array<float, 4> load_floats(const TexelFormat& format, const uint8_t* bytes);
// The opposite: integers saturate to the format's range, floats are rounded.
void store(const TexelFormat& format, const Texel& texel, uint8_t* bytes);

// What a colour value of an sRGB image stands for.
float from_srgb(float value);

}  // namespace softgpu
