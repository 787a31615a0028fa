// SPDX-License-Identifier: BSD-3-Clause
// Handles of textures and surfaces, as the lanes of one instruction use them: nearly always one for all.
#pragma once

#include "engine/block.h"
#include "engine/texture.h"

namespace softgpu {

inline const TexelImage& image_of(const Texture& texture) { return texture.image; }
inline const TexelImage& image_of(const TexelImage& image) { return image; }

template <class Object>
class TextureHandles {
 public:
  explicit TextureHandles(Warp& w) : launch_(*w.block->launch) {}

  // Null where there is none of that handle, or its memory is gone.
  const Object* find(uint64_t handle) {
    if (found_ && handle == handle_) return found_.get();
    found_ = look_up(handle);
    handle_ = handle;
    if (found_ && !there(image_of(*found_))) found_ = nullptr;
    return found_.get();
  }

 private:
  std::shared_ptr<const Object> look_up(uint64_t handle) const {
    const TextureTable* table = launch_.config->textures;
    if (table == nullptr) return nullptr;
    if constexpr (std::is_same_v<Object, Texture>)
      return table->texture(handle);
    else
      return table->surface(handle);
  }
  bool there(const TexelImage& image) const {
    uint64_t begin = 0, end = 0;
    return image.borrowed_bytes == 0 ||
           launch_.memory->find(image.borrowed_address, image.borrowed_bytes, &begin, &end);
  }

  const Launch& launch_;
  uint64_t handle_ = 0;
  std::shared_ptr<const Object> found_;
};

}  // namespace softgpu
