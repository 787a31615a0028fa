// SPDX-License-Identifier: BSD-3-Clause
#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace softgpu {
namespace {

using Floats = std::array<float, 4>;

constexpr double kFar = 1 << 30;  // coordinates beyond are as good as this one

// Weights of a filter have eight bits behind the point, as CUDA's programming guide says.
float weight(double fraction) { return static_cast<float>(std::nearbyint(fraction * 256.0) / 256.0); }

double finite(double x) { return std::isnan(x) ? 0 : std::clamp(x, -kFar, kFar); }

bool returns_integers(const Texture& t) {
  const Channel c = t.image.format.channel;
  return is_integer(c) && (t.as_integer || c == Channel::u32 || c == Channel::s32);
}

// The texel that an index outside of the image stands for; -1: the border.
int64_t inside(int64_t i, uint32_t size, TextureAddressing how) {
  const int64_t n = size;
  if (i >= 0 && i < n) return i;
  switch (how) {
    case TextureAddressing::border:
      return -1;
    case TextureAddressing::wrap:
      return ((i % n) + n) % n;
    case TextureAddressing::mirror: {
      const int64_t m = ((i % (2 * n)) + 2 * n) % (2 * n);
      return m < n ? m : 2 * n - 1 - m;
    }
    default:
      return i < 0 ? 0 : n - 1;
  }
}

// The image as one read sees it: a level, and which slice of it.
struct View {
  const Texture* texture;
  const TexelLevel* level;
  std::array<TextureAddressing, 3> addressing;
  std::array<uint32_t, 3> size;  // 1 in dimensions that coordinates do not move in
  uint32_t slice;
};

View view(const Texture& t, size_t level, uint32_t slice, bool normalized, bool face) {
  const TexelImage& image = t.image;
  View v{&t, &image.levels[level], t.addressing, {1, 1, 1}, slice};
  v.size = {v.level->width, image.dimensions > 1 ? v.level->height : 1,
            image.dimensions > 2 ? v.level->depth : 1};
  for (TextureAddressing& how : v.addressing) {
    const bool repeats = how == TextureAddressing::wrap || how == TextureAddressing::mirror;
    if (face || (repeats && !normalized)) how = TextureAddressing::clamp;
  }
  return v;
}

// Null: the border.
const uint8_t* find(const View& v, const std::array<int64_t, 3>& index) {
  std::array<int64_t, 3> at;
  for (size_t d = 0; d < 3; ++d) {
    at[d] = inside(index[d], v.size[d], v.addressing[d]);
    if (at[d] < 0) return nullptr;
  }
  const uint64_t slice = v.size[2] > 1 ? static_cast<uint64_t>(at[2]) : v.slice;
  return v.level->data + slice * v.level->slice + static_cast<uint64_t>(at[1]) * v.level->pitch +
         static_cast<uint64_t>(at[0]) * v.texture->image.format.bytes();
}

Floats floats_at(const View& v, const std::array<int64_t, 3>& index) {
  const uint8_t* bytes = find(v, index);
  if (bytes == nullptr) return v.texture->border;
  Floats texel = load_floats(v.texture->image.format, bytes);
  if (v.texture->srgb && v.texture->image.format.channel == Channel::u8) {
    for (size_t c = 0; c < 3; ++c) texel[c] = from_srgb(texel[c]);
  }
  return texel;
}

Texel bits_of(const Floats& floats) {
  Texel texel;
  for (size_t c = 0; c < 4; ++c) texel[c] = std::bit_cast<uint32_t>(floats[c]);
  return texel;
}

Texel texel_at(const View& v, const std::array<int64_t, 3>& index) {
  if (!returns_integers(*v.texture)) return bits_of(floats_at(v, index));
  const uint8_t* bytes = find(v, index);
  return bytes == nullptr ? bits_of(v.texture->border) : load_integers(v.texture->image.format, bytes);
}

// Coordinates in texels. Where the image repeats, only the part within one period matters, and keeps its
// bits.
std::array<double, 3> scaled(const View& v, const std::array<float, 3>& at,
                             const std::array<int32_t, 3>& offset, bool normalized) {
  std::array<double, 3> u;
  for (size_t d = 0; d < 3; ++d) {
    double x = finite(at[d]);
    if (normalized) {
      if (v.addressing[d] == TextureAddressing::wrap) x -= std::floor(x);
      if (v.addressing[d] == TextureAddressing::mirror) x -= 2 * std::floor(x / 2);
      x *= v.size[d];
    }
    u[d] = finite(x) + offset[d];
  }
  return u;
}

std::array<int64_t, 3> nearest(const std::array<double, 3>& u, int dimensions) {
  std::array<int64_t, 3> index = {0, 0, 0};
  for (size_t d = 0; d < static_cast<size_t>(dimensions); ++d)
    index[d] = static_cast<int64_t>(std::floor(u[d]));
  return index;
}

// A weighted mean of the 2, 4 or 8 texels around the place.
Floats mixed(const View& v, const std::array<double, 3>& u, int dimensions) {
  std::array<int64_t, 3> low = {0, 0, 0};
  std::array<float, 3> high = {0, 0, 0};  // weight of the upper neighbour
  for (size_t d = 0; d < static_cast<size_t>(dimensions); ++d) {
    const double centre = u[d] - 0.5;
    low[d] = static_cast<int64_t>(std::floor(centre));
    high[d] = weight(centre - std::floor(centre));
  }
  Floats sum = {0, 0, 0, 0};
  for (int corner = 0; corner < 1 << dimensions; ++corner) {
    std::array<int64_t, 3> index = low;
    float share = 1;
    for (int d = 0; d < dimensions; ++d) {
      const bool upper = corner >> d & 1;
      index[static_cast<size_t>(d)] += upper;
      share *= upper ? high[static_cast<size_t>(d)] : 1 - high[static_cast<size_t>(d)];
    }
    if (share == 0) continue;
    const Floats texel = floats_at(v, index);
    for (size_t c = 0; c < 4; ++c) sum[c] += share * texel[c];
  }
  return sum;
}

// A direction's face, and where on it.
struct Face {
  uint32_t number;
  std::array<float, 3> at;
};

Face face_of(const std::array<float, 3>& d) {
  const float ax = std::fabs(d[0]), ay = std::fabs(d[1]), az = std::fabs(d[2]);
  uint32_t number;
  float s, t, m;
  if (ax >= ay && ax >= az) {
    number = d[0] < 0 ? 1 : 0;
    s = d[0] < 0 ? d[2] : -d[2], t = -d[1], m = ax;
  } else if (ay >= az) {
    number = d[1] < 0 ? 3 : 2;
    s = d[0], t = d[1] < 0 ? -d[2] : d[2], m = ay;
  } else {
    number = d[2] < 0 ? 5 : 4;
    s = d[2] < 0 ? -d[0] : d[0], t = -d[1], m = az;
  }
  return {number, {(s / m + 1) / 2, (t / m + 1) / 2, 0}};
}

// Which slice a layer (and face) is; layers outside are the outermost ones.
uint32_t slice_of(const TexelImage& image, const TexturePlace& place, uint32_t face) {
  if (!image.layered && !image.cube) return 0;
  const uint32_t slices = image.levels[0].depth;
  const uint32_t faces = place.cube ? 6 : 1;
  const uint32_t layers = std::max(slices / faces, 1u);
  // The layer travels as an unsigned number, but may have been negative.
  const uint32_t layer = static_cast<int32_t>(place.layer) < 0 ? 0 : std::min(place.layer, layers - 1);
  return std::min(layer * faces + face, slices - 1);
}

struct Spot {
  std::array<float, 3> at;
  uint32_t slice;
  bool normalized;
  bool face;
};

Spot spot_of(const Texture& t, const TexturePlace& place) {
  if (!place.cube) return {place.at, slice_of(t.image, place, 0), t.normalized, false};
  const Face face = face_of(place.at);
  return {face.at, slice_of(t.image, place, face.number), true, true};
}

Texel read_level(const Texture& t, const TexturePlace& place, const Spot& spot, size_t level) {
  const View v = view(t, level, spot.slice, spot.normalized, spot.face);
  const std::array<double, 3> u = scaled(v, spot.at, place.offset, spot.normalized);
  const int dimensions = t.image.dimensions;
  if (t.interpolate && !returns_integers(t)) return bits_of(mixed(v, u, dimensions));
  return texel_at(v, nearest(u, dimensions));
}

Texel read_index(const Texture& t, const TexturePlace& place) {
  const size_t level = static_cast<size_t>(
      std::clamp<double>(finite(place.level), 0, static_cast<double>(t.image.levels.size() - 1)));
  const View v = view(t, level, slice_of(t.image, place, 0), false, false);
  std::array<int64_t, 3> index = {0, 0, 0};
  for (size_t d = 0; d < static_cast<size_t>(t.image.dimensions); ++d)
    index[d] = int64_t{place.index[d]} + place.offset[d];
  if (t.image.linear && (index[0] < 0 || index[0] >= v.size[0])) return {0, 0, 0, 0};
  return texel_at(v, index);
}

}  // namespace

Texel sample(const Texture& t, const TexturePlace& place) {
  if (place.integral) return read_index(t, place);
  const Spot spot = spot_of(t, place);
  const double top = static_cast<double>(t.image.levels.size() - 1);
  if (top == 0) return read_level(t, place, spot, 0);
  double level = finite(double{place.level} + double{t.level_bias});
  level = std::min(std::max<double>(level, finite(t.lowest_level)), finite(t.highest_level));
  level = std::clamp(level, 0.0, top);
  if (!t.interpolate_levels || returns_integers(t))
    return read_level(t, place, spot, static_cast<size_t>(std::floor(level + 0.5)));
  const auto lower = static_cast<size_t>(level);
  const float share = weight(level - std::floor(level));
  const Texel a = read_level(t, place, spot, lower);
  if (share == 0) return a;
  const Texel b = read_level(t, place, spot, std::min(lower + 1, t.image.levels.size() - 1));
  Texel mixed;
  for (size_t c = 0; c < 4; ++c) {
    mixed[c] = std::bit_cast<uint32_t>((1 - share) * std::bit_cast<float>(a[c]) +
                                       share * std::bit_cast<float>(b[c]));
  }
  return mixed;
}

Texel gather(const Texture& t, const TexturePlace& place, int channel) {
  const Spot spot = spot_of(t, place);
  const View v = view(t, 0, spot.slice, spot.normalized, spot.face);
  std::array<double, 3> u = scaled(v, spot.at, place.offset, spot.normalized);
  for (double& x : u) x -= 0.5;
  const std::array<int64_t, 3> low = nearest(u, t.image.dimensions);
  constexpr int around[4][2] = {{0, 1}, {1, 1}, {1, 0}, {0, 0}};
  Texel texel;
  for (size_t k = 0; k < 4; ++k) {
    const std::array<int64_t, 3> index = {low[0] + around[k][0], low[1] + around[k][1], low[2]};
    texel[k] = texel_at(v, index)[static_cast<size_t>(channel)];
  }
  return texel;
}

float level_of(const Texture& t, const std::array<float, 3>& dx, const std::array<float, 3>& dy) {
  const TexelLevel& base = t.image.levels[0];
  const std::array<double, 3> size = {double(base.width), double(base.height), double(base.depth)};
  double longest = 0;
  for (const auto* gradient : {&dx, &dy}) {
    double square = 0;
    for (size_t d = 0; d < static_cast<size_t>(t.image.dimensions); ++d) {
      const double step = double{(*gradient)[d]} * (t.normalized ? size[d] : 1);
      square += step * step;
    }
    longest = std::max(longest, std::sqrt(square));
  }
  return longest > 0 ? static_cast<float>(std::log2(longest)) : 0.0f;
}

}  // namespace softgpu
