// SPDX-License-Identifier: BSD-3-Clause
#include "texture_objects.h"

#include <algorithm>
#include <limits>
#include <mutex>

#include "array.h"
#include "memory.h"

namespace softgpu::driver {
namespace {

TexelImage image_of(const Array& array) {
  TexelImage image;
  image.format = array.format;
  image.dimensions = dimensions_of(array.descriptor);
  image.layered = array.descriptor.Flags & CUDA_ARRAY3D_LAYERED;
  image.cube = array.descriptor.Flags & CUDA_ARRAY3D_CUBEMAP;
  image.levels = {array.level};
  image.storage = array.storage;
  return image;
}

TexelImage image_of(const MipmappedArray& mipmap) {
  TexelImage image = image_of(*mipmap.levels[0]);
  for (size_t i = 1; i < mipmap.levels.size(); ++i) image.levels.push_back(mipmap.levels[i]->level);
  return image;
}

TexelImage linear_image(const Context& context, const CUDA_RESOURCE_DESC& resource) {
  const auto& linear = resource.res.linear;
  TexelImage image;
  image.format = texel_format(linear.format, linear.numChannels);
  image.linear = true;
  const size_t texel = image.format.bytes();
  const auto most = static_cast<size_t>(
      context.device.attribute(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH).value_or(0));
  require(linear.devPtr != 0 && linear.devPtr % texel == 0);
  require(linear.sizeInBytes >= texel && linear.sizeInBytes / texel <= most);
  require_reachable(context, linear.devPtr, linear.sizeInBytes);
  TexelLevel level;
  level.data = reinterpret_cast<uint8_t*>(linear.devPtr);
  level.width = static_cast<uint32_t>(linear.sizeInBytes / texel);
  level.pitch = level.slice = linear.sizeInBytes;
  image.levels = {level};
  image.borrowed_address = linear.devPtr;
  image.borrowed_bytes = linear.sizeInBytes;
  return image;
}

TexelImage pitched_image(const Context& context, const CUDA_RESOURCE_DESC& resource) {
  const auto& pitch2d = resource.res.pitch2D;
  TexelImage image;
  image.format = texel_format(pitch2d.format, pitch2d.numChannels);
  image.dimensions = 2;
  const size_t texel = image.format.bytes();
  const auto limit = [&](CUdevice_attribute a) {
    return static_cast<size_t>(context.device.attribute(a).value_or(0));
  };
  require(pitch2d.width > 0 && pitch2d.width <= limit(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_WIDTH));
  require(pitch2d.height > 0 && pitch2d.height <= limit(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_HEIGHT));
  require(pitch2d.pitchInBytes >= pitch2d.width * texel &&
          pitch2d.pitchInBytes <= limit(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_PITCH));
  require(pitch2d.devPtr != 0 && pitch2d.devPtr % texel == 0);
  TexelLevel level;
  level.data = reinterpret_cast<uint8_t*>(pitch2d.devPtr);
  level.width = static_cast<uint32_t>(pitch2d.width);
  level.height = static_cast<uint32_t>(pitch2d.height);
  level.pitch = pitch2d.pitchInBytes;
  level.slice = level.pitch * level.height;
  image.levels = {level};
  image.borrowed_address = pitch2d.devPtr;
  image.borrowed_bytes = level.pitch * (level.height - 1) + level.width * texel;
  require_reachable(context, image.borrowed_address, image.borrowed_bytes);
  return image;
}

TexelImage image_of(const Context& context, const CUDA_RESOURCE_DESC& resource) {
  require(resource.flags == 0);
  switch (resource.resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      return image_of(*registry<Array>().get(resource.res.array.hArray));
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return image_of(*registry<MipmappedArray>().get(resource.res.mipmap.hMipmappedArray));
    case CU_RESOURCE_TYPE_LINEAR:
      return linear_image(context, resource);
    case CU_RESOURCE_TYPE_PITCH2D:
      return pitched_image(context, resource);
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

// The formats of views are numbered in threes: 1, 2 and 4 channels.
TexelFormat view_format(CUresourceViewFormat format) {
  constexpr Channel channels[] = {Channel::u8,  Channel::s8,  Channel::u16, Channel::s16,
                                  Channel::u32, Channel::s32, Channel::f16, Channel::f32};
  require(format <= CU_RES_VIEW_FORMAT_UNSIGNED_BC7);
  require(format <= CU_RES_VIEW_FORMAT_FLOAT_4X32, CUDA_ERROR_NOT_SUPPORTED);  // block compression
  const unsigned number = format - CU_RES_VIEW_FORMAT_UINT_1X8;
  return {channels[number / 3], 1 << number % 3};
}

void apply(const CUDA_RESOURCE_VIEW_DESC& view, TexelImage* image) {
  if (view.format != CU_RES_VIEW_FORMAT_NONE) {
    const TexelFormat format = view_format(view.format);
    require(format.bytes() == image->format.bytes());
    image->format = format;
  }
  const size_t levels = image->levels.size();
  require(view.firstMipmapLevel <= view.lastMipmapLevel && view.lastMipmapLevel < levels);
  image->levels = {image->levels.begin() + view.firstMipmapLevel,
                   image->levels.begin() + view.lastMipmapLevel + 1};
  if (!image->layered) return;
  require(view.firstLayer <= view.lastLayer && view.lastLayer < image->levels[0].depth);
  for (TexelLevel& level : image->levels) {
    level.data += view.firstLayer * level.slice;
    level.depth = view.lastLayer - view.firstLayer + 1;
  }
}

TextureAddressing addressing_of(CUaddress_mode mode) {
  switch (mode) {
    case CU_TR_ADDRESS_MODE_WRAP:
      return TextureAddressing::wrap;
    case CU_TR_ADDRESS_MODE_CLAMP:
      return TextureAddressing::clamp;
    case CU_TR_ADDRESS_MODE_MIRROR:
      return TextureAddressing::mirror;
    case CU_TR_ADDRESS_MODE_BORDER:
      return TextureAddressing::border;
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

bool interpolates(CUfilter_mode mode) {
  require(mode == CU_TR_FILTER_MODE_POINT || mode == CU_TR_FILTER_MODE_LINEAR);
  return mode == CU_TR_FILTER_MODE_LINEAR;
}

constexpr unsigned kTextureFlags = CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB |
                                   CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION | CU_TRSF_SEAMLESS_CUBEMAP;

Texture texture_of(TexelImage image, const CUDA_TEXTURE_DESC& description) {
  require((description.flags & ~kTextureFlags) == 0);
  Texture texture;
  texture.image = std::move(image);
  for (size_t axis = 0; axis < 3; ++axis)
    texture.addressing[axis] = addressing_of(description.addressMode[axis]);
  texture.interpolate = interpolates(description.filterMode);
  texture.interpolate_levels = interpolates(description.mipmapFilterMode);
  texture.normalized = description.flags & CU_TRSF_NORMALIZED_COORDINATES;
  texture.as_integer = description.flags & CU_TRSF_READ_AS_INTEGER;
  texture.srgb = description.flags & CU_TRSF_SRGB;
  texture.level_bias = description.mipmapLevelBias;
  texture.lowest_level = description.minMipmapLevelClamp;
  texture.highest_level = description.maxMipmapLevelClamp;
  std::copy_n(description.borderColor, 4, texture.border.begin());
  // Coordinates in texels have a meaning on the first level only.
  require(texture.image.levels.size() == 1 || texture.normalized);
  return texture;
}

template <class Object>
Object found(const std::map<uint64_t, Object>& objects, uint64_t handle) {
  auto at = objects.find(handle);
  require(at != objects.end());
  return at->second;
}

}  // namespace

TextureObjects& TextureObjects::instance() {
  static auto* objects =
      new TextureObjects;  // never destroyed: kernels may still run while the process exits
  return *objects;
}

CUtexObject TextureObjects::add(TextureObject object) {
  std::unique_lock lock(mutex_);
  textures_.emplace(next_, std::move(object));
  return next_++;
}

CUsurfObject TextureObjects::add(SurfaceObject object) {
  std::unique_lock lock(mutex_);
  surfaces_.emplace(next_, std::move(object));
  return next_++;
}

TextureObject TextureObjects::texture_object(CUtexObject handle) const {
  std::shared_lock lock(mutex_);
  return found(textures_, handle);
}

SurfaceObject TextureObjects::surface_object(CUsurfObject handle) const {
  std::shared_lock lock(mutex_);
  return found(surfaces_, handle);
}

void TextureObjects::remove_texture(CUtexObject handle) {
  std::unique_lock lock(mutex_);
  require(textures_.erase(handle) != 0);
}

void TextureObjects::remove_surface(CUsurfObject handle) {
  std::unique_lock lock(mutex_);
  require(surfaces_.erase(handle) != 0);
}

void TextureObjects::free_all(const Context& context) {
  std::unique_lock lock(mutex_);
  std::erase_if(textures_, [&](const auto& item) { return item.second.context == context.id; });
  std::erase_if(surfaces_, [&](const auto& item) { return item.second.context == context.id; });
}

std::shared_ptr<const Texture> TextureObjects::texture(uint64_t handle) const {
  std::shared_lock lock(mutex_);
  auto at = textures_.find(handle);
  return at == textures_.end() ? nullptr : at->second.texture;
}

std::shared_ptr<const TexelImage> TextureObjects::surface(uint64_t handle) const {
  std::shared_lock lock(mutex_);
  auto at = surfaces_.find(handle);
  return at == surfaces_.end() ? nullptr : at->second.image;
}

TextureObject make_texture(Context& context, const CUDA_RESOURCE_DESC& resource,
                           const CUDA_TEXTURE_DESC& description, const CUDA_RESOURCE_VIEW_DESC* view) {
  TexelImage image = image_of(context, resource);
  TextureObject object{context.id, nullptr, resource, description, std::nullopt};
  if (view) {
    require(image.borrowed_bytes == 0);  // plain memory has no views
    apply(*view, &image);
    object.view = *view;
  }
  object.texture = std::make_shared<Texture>(texture_of(std::move(image), description));
  return object;
}

SurfaceObject make_surface(Context& context, const CUDA_RESOURCE_DESC& resource) {
  require(resource.resType == CU_RESOURCE_TYPE_ARRAY && resource.flags == 0);
  auto array = registry<Array>().get(resource.res.array.hArray);
  require(array->descriptor.Flags & CUDA_ARRAY3D_SURFACE_LDST);
  return {context.id, std::make_shared<TexelImage>(image_of(*array)), resource};
}

}  // namespace softgpu::driver
