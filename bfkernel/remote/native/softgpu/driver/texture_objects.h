// SPDX-License-Identifier: BSD-3-Clause
// Texture and surface objects: what kernels read and write by a number that programs pass to them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>

#include "api.h"
#include "context.h"
#include "engine/texture.h"

namespace softgpu::driver {

struct TextureObject {
  uint64_t context;  // id of the owner
  std::shared_ptr<const Texture> texture;
  CUDA_RESOURCE_DESC resource;
  CUDA_TEXTURE_DESC description;
  std::optional<CUDA_RESOURCE_VIEW_DESC> view;
};

struct SurfaceObject {
  uint64_t context;
  std::shared_ptr<const TexelImage> image;
  CUDA_RESOURCE_DESC resource;
};

class TextureObjects final : public TextureTable {
 public:
  static TextureObjects& instance();

  CUtexObject add(TextureObject object);
  CUsurfObject add(SurfaceObject object);
  // Throw INVALID_VALUE where there is none of that number.
  TextureObject texture_object(CUtexObject handle) const;
  SurfaceObject surface_object(CUsurfObject handle) const;
  void remove_texture(CUtexObject handle);
  void remove_surface(CUsurfObject handle);
  // Everything that the context still owns.
  void free_all(const Context& context);

  std::shared_ptr<const Texture> texture(uint64_t handle) const override;
  std::shared_ptr<const TexelImage> surface(uint64_t handle) const override;

 private:
  mutable std::shared_mutex mutex_;
  uint64_t next_ = 1;  // numbers are not used twice
  std::map<uint64_t, TextureObject> textures_;
  std::map<uint64_t, SurfaceObject> surfaces_;
};

// Reads and checks the descriptions. Throws INVALID_VALUE, INVALID_HANDLE or NOT_SUPPORTED.
TextureObject make_texture(Context& context, const CUDA_RESOURCE_DESC& resource,
                           const CUDA_TEXTURE_DESC& description, const CUDA_RESOURCE_VIEW_DESC* view);
SurfaceObject make_surface(Context& context, const CUDA_RESOURCE_DESC& resource);

}  // namespace softgpu::driver
