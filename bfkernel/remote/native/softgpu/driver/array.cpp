// SPDX-License-Identifier: BSD-3-Clause
#include "array.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

namespace softgpu::driver {
namespace {

constexpr unsigned kKnownFlags = CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP |
                                 CUDA_ARRAY3D_TEXTURE_GATHER | CUDA_ARRAY3D_COLOR_ATTACHMENT;
constexpr unsigned kOtherFlags = CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_SPARSE |
                                 CUDA_ARRAY3D_DEFERRED_MAPPING | CUDA_ARRAY3D_VIDEO_ENCODE_DECODE;

std::optional<Channel> channel_of(CUarray_format format) {
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
      return Channel::u8;
    case CU_AD_FORMAT_UNSIGNED_INT16:
      return Channel::u16;
    case CU_AD_FORMAT_UNSIGNED_INT32:
      return Channel::u32;
    case CU_AD_FORMAT_SIGNED_INT8:
      return Channel::s8;
    case CU_AD_FORMAT_SIGNED_INT16:
      return Channel::s16;
    case CU_AD_FORMAT_SIGNED_INT32:
      return Channel::s32;
    case CU_AD_FORMAT_HALF:
      return Channel::f16;
    case CU_AD_FORMAT_FLOAT:
      return Channel::f32;
    default:
      return std::nullopt;
  }
}

// What surfaces read and write at once never lies across its own size.
constexpr size_t kRowAlignment = 16;

size_t aligned(size_t bytes) { return (bytes + kArrayAlignment - 1) / kArrayAlignment * kArrayAlignment; }

bool has(const CUDA_ARRAY3D_DESCRIPTOR& d, unsigned flag) { return d.Flags & flag; }

TexelLevel layout(const CUDA_ARRAY3D_DESCRIPTOR& d, const TexelFormat& format, uint8_t* data) {
  TexelLevel level;
  level.data = data;
  level.width = static_cast<uint32_t>(d.Width);
  level.height = static_cast<uint32_t>(std::max<size_t>(d.Height, 1));
  level.depth = static_cast<uint32_t>(std::max<size_t>(d.Depth, 1));
  level.pitch = (d.Width * format.bytes() + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
  level.slice = level.pitch * level.height;
  return level;
}

struct Limits {
  CUdevice_attribute width, height, depth;
};

constexpr auto kNone = static_cast<CUdevice_attribute>(0);

Limits limits_of(const CUDA_ARRAY3D_DESCRIPTOR& d) {
  if (has(d, CUDA_ARRAY3D_CUBEMAP)) {
    if (!has(d, CUDA_ARRAY3D_LAYERED))
      return {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_WIDTH, kNone, kNone};
    return {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH, kNone,
            CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS};
  }
  if (has(d, CUDA_ARRAY3D_LAYERED)) {
    if (d.Height == 0)
      return {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_WIDTH, kNone,
              CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS};
    return {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_WIDTH,
            CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_HEIGHT,
            CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS};
  }
  if (d.Depth != 0)
    return {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT,
            CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH};
  if (d.Height != 0)
    return {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT, kNone};
  return {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH, kNone, kNone};
}

void check_size(const Device& device, const CUDA_ARRAY3D_DESCRIPTOR& d) {
  const Limits limits = limits_of(d);
  const auto within = [&](size_t size, CUdevice_attribute limit, size_t otherwise) {
    const size_t most = limit == kNone ? otherwise : static_cast<size_t>(device.attribute(limit).value_or(0));
    require(size <= most);
  };
  constexpr size_t any = size_t{1} << 20;  // bounded by the other checks
  require(d.Width > 0);
  within(d.Width, limits.width, 0);
  within(d.Height, limits.height, any);
  within(d.Depth, limits.depth, any);
}

void check_descriptor(const Device& device, const CUDA_ARRAY3D_DESCRIPTOR& d) {
  require((d.Flags & ~(kKnownFlags | kOtherFlags)) == 0);
  require((d.Flags & kOtherFlags) == 0, CUDA_ERROR_NOT_SUPPORTED);
  const bool layered = has(d, CUDA_ARRAY3D_LAYERED), cube = has(d, CUDA_ARRAY3D_CUBEMAP);
  check_size(device, d);
  if (layered) require(d.Depth > 0);
  if (cube) require(d.Width == d.Height && (layered ? d.Depth % 6 == 0 : d.Depth == 6));
  if (!layered && d.Depth > 0) require(d.Height > 0);
  if (has(d, CUDA_ARRAY3D_TEXTURE_GATHER)) require(dimensions_of(d) == 2);
}

// How often the largest side can be halved.
unsigned most_levels(const CUDA_ARRAY3D_DESCRIPTOR& d) {
  size_t largest = std::max(d.Width, d.Height);
  if (dimensions_of(d) == 3) largest = std::max(largest, d.Depth);
  return static_cast<unsigned>(std::bit_width(largest));
}

CUDA_ARRAY3D_DESCRIPTOR halved(CUDA_ARRAY3D_DESCRIPTOR d, unsigned level) {
  const auto half = [&](size_t size) { return size == 0 ? 0 : std::max<size_t>(size >> level, 1); };
  if (dimensions_of(d) == 3) d.Depth = half(d.Depth);
  d.Width = half(d.Width);
  d.Height = half(d.Height);
  return d;
}

}  // namespace

ArrayStorage::ArrayStorage(Device& device, size_t bytes) : device_(device), bytes_(bytes) {
  require(device_.capacity.charge(bytes_), CUDA_ERROR_OUT_OF_MEMORY);
  void* mapped =
      mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    device_.capacity.refund(bytes_);
    fail(CUDA_ERROR_OUT_OF_MEMORY);
  }
  data_ = static_cast<uint8_t*>(mapped);
}

ArrayStorage::~ArrayStorage() {
  munmap(data_, bytes_);
  device_.capacity.refund(bytes_);
}

Array::Array(uint64_t context, const CUDA_ARRAY3D_DESCRIPTOR& descriptor,
             std::shared_ptr<ArrayStorage> storage, size_t offset, bool of_mipmap)
    : context(context),
      descriptor(descriptor),
      format(texel_format(descriptor.Format, descriptor.NumChannels)),
      level(layout(descriptor, format, storage->data() + offset)),
      storage(std::move(storage)),
      of_mipmap(of_mipmap) {}

size_t MipmappedArray::bytes() const {
  size_t sum = 0;
  for (const auto& level : levels) sum += aligned(level->bytes());
  return sum;
}

TexelFormat texel_format(CUarray_format format, unsigned channels) {
  const std::optional<Channel> channel = channel_of(format);
  if (!channel) {
    const bool exists = format >= CU_AD_FORMAT_UNORM_INT_101010_2 && format <= CU_AD_FORMAT_SNORM_INT16X4;
    fail(exists ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE);
  }
  require(channels == 1 || channels == 2 || channels == 4);
  return {*channel, static_cast<int>(channels)};
}

int dimensions_of(const CUDA_ARRAY3D_DESCRIPTOR& d) {
  if (d.Height == 0) return 1;
  return d.Depth == 0 || has(d, CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP) ? 2 : 3;
}

std::shared_ptr<Array> make_array(Context& context, const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  const TexelFormat format = texel_format(descriptor.Format, descriptor.NumChannels);
  check_descriptor(context.device, descriptor);
  const TexelLevel level = layout(descriptor, format, nullptr);
  auto storage = std::make_shared<ArrayStorage>(context.device, aligned(level.slice * level.depth));
  auto array = std::make_shared<Array>(context.id, descriptor, std::move(storage), 0, false);
  registry<Array>().add<CUarray>(array);
  return array;
}

std::shared_ptr<MipmappedArray> make_mipmapped_array(Context& context, CUDA_ARRAY3D_DESCRIPTOR descriptor,
                                                     unsigned levels) {
  const TexelFormat format = texel_format(descriptor.Format, descriptor.NumChannels);
  check_descriptor(context.device, descriptor);
  require(levels > 0);
  levels = std::min(levels, most_levels(descriptor));
  std::vector<size_t> offsets;
  size_t bytes = 0;
  for (unsigned i = 0; i < levels; ++i) {
    const TexelLevel level = layout(halved(descriptor, i), format, nullptr);
    offsets.push_back(bytes);
    bytes += aligned(level.slice * level.depth);
  }
  auto storage = std::make_shared<ArrayStorage>(context.device, bytes);
  auto made = std::make_shared<MipmappedArray>(MipmappedArray{context.id, descriptor, {}});
  for (unsigned i = 0; i < levels; ++i) {
    made->levels.push_back(
        std::make_shared<Array>(context.id, halved(descriptor, i), storage, offsets[i], true));
    registry<Array>().add<CUarray>(made->levels.back());
  }
  registry<MipmappedArray>().add<CUmipmappedArray>(made);
  return made;
}

void retire(MipmappedArray& array) {
  registry<MipmappedArray>().remove(&array);
  for (const auto& level : array.levels) registry<Array>().remove(level->handle());
}

void free_arrays(const Context& context) {
  registry<MipmappedArray>().remove_if([&](const auto& array) { return array.context == context.id; });
  registry<Array>().remove_if([&](const auto& array) { return array.context == context.id; });
}

}  // namespace softgpu::driver
