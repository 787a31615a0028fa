// SPDX-License-Identifier: BSD-3-Clause
#include "engine/texels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/numeric.h"

namespace softgpu {
namespace {

template <class T>
T value_at(const uint8_t* bytes, int channel) {
  T value;
  std::memcpy(&value, bytes + static_cast<size_t>(channel) * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void put(uint8_t* bytes, int channel, T value) {
  std::memcpy(bytes + static_cast<size_t>(channel) * sizeof(T), &value, sizeof(T));
}

uint32_t integer_at(Channel kind, const uint8_t* bytes, int channel) {
  switch (kind) {
    case Channel::u8:
      return value_at<uint8_t>(bytes, channel);
    case Channel::s8:
      return static_cast<uint32_t>(value_at<int8_t>(bytes, channel));
    case Channel::u16:
    case Channel::f16:
      return value_at<uint16_t>(bytes, channel);
    case Channel::s16:
      return static_cast<uint32_t>(value_at<int16_t>(bytes, channel));
    default:
      return value_at<uint32_t>(bytes, channel);
  }
}

float float_at(Channel kind, const uint8_t* bytes, int channel) {
  switch (kind) {
    case Channel::u8:
      return static_cast<float>(value_at<uint8_t>(bytes, channel)) / 255.0f;
    case Channel::s8:
      return std::max(static_cast<float>(value_at<int8_t>(bytes, channel)) / 127.0f, -1.0f);
    case Channel::u16:
      return static_cast<float>(value_at<uint16_t>(bytes, channel)) / 65535.0f;
    case Channel::s16:
      return std::max(static_cast<float>(value_at<int16_t>(bytes, channel)) / 32767.0f, -1.0f);
    case Channel::f16:
      return static_cast<float>(f16_value(value_at<uint16_t>(bytes, channel)));
    default:
      return value_at<float>(bytes, channel);
  }
}

template <class T>
T saturated(uint32_t bits) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(std::clamp<int32_t>(static_cast<int32_t>(bits), std::numeric_limits<T>::min(),
                                              std::numeric_limits<T>::max()));
  }
  return static_cast<T>(std::min<uint32_t>(bits, std::numeric_limits<T>::max()));
}

}  // namespace

size_t TexelFormat::channel_bytes() const {
  switch (channel) {
    case Channel::u8:
    case Channel::s8:
      return 1;
    case Channel::u16:
    case Channel::s16:
    case Channel::f16:
      return 2;
    default:
      return 4;
  }
}

bool is_integer(Channel channel) { return channel != Channel::f16 && channel != Channel::f32; }

Texel load_integers(const TexelFormat& format, const uint8_t* bytes) {
  Texel texel = {0, 0, 0, 0};
  for (int c = 0; c < format.channels; ++c)
    texel[static_cast<size_t>(c)] = integer_at(format.channel, bytes, c);
  return texel;
}

std::array<float, 4> load_floats(const TexelFormat& format, const uint8_t* bytes) {
  std::array<float, 4> texel = {0, 0, 0, 0};
  for (int c = 0; c < format.channels; ++c)
    texel[static_cast<size_t>(c)] = float_at(format.channel, bytes, c);
  return texel;
}

void store(const TexelFormat& format, const Texel& texel, uint8_t* bytes) {
  for (int c = 0; c < format.channels; ++c) {
    const uint32_t bits = texel[static_cast<size_t>(c)];
    switch (format.channel) {
      case Channel::u8:
        put(bytes, c, saturated<uint8_t>(bits));
        break;
      case Channel::s8:
        put(bytes, c, saturated<int8_t>(bits));
        break;
      case Channel::u16:
        put(bytes, c, saturated<uint16_t>(bits));
        break;
      case Channel::s16:
        put(bytes, c, saturated<int16_t>(bits));
        break;
      case Channel::f16:
        put(bytes, c, f16_from_double(double{std::bit_cast<float>(bits)}, kRoundNearest));
        break;
      default:
        put(bytes, c, bits);
    }
  }
}

float from_srgb(float value) {
  return value <= 0.04045f ? value / 12.92f : std::pow((value + 0.055f) / 1.055f, 2.4f);
}

}  // namespace softgpu
