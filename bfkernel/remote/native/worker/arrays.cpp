// SPDX-License-Identifier: BSD-3-Clause
#include "worker/arrays.h"

#include <cuda.h>

#include <algorithm>

#include "wire/array_format.h"

namespace worker {
namespace {

constexpr std::uint64_t kMostElements = std::uint64_t{1} << 20;  // in one direction; GPUs end far below
constexpr unsigned kFlags = CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP |
                            CUDA_ARRAY3D_TEXTURE_GATHER | CUDA_ARRAY3D_COLOR_ATTACHMENT |
                            CUDA_ARRAY3D_DEPTH_TEXTURE;

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace

std::optional<ArrayInfo> array_info(const wire::ArrayDescriptor& descriptor) {
  const std::uint32_t element = wire::element_bytes(descriptor.format, descriptor.channels);
  const std::uint64_t largest = std::max({descriptor.width, descriptor.height, descriptor.depth});
  if (element == 0 || descriptor.width == 0 || largest > kMostElements) return std::nullopt;
  if ((descriptor.flags & ~kFlags) != 0) return std::nullopt;
  ArrayInfo info;
  info.row_bytes = descriptor.width * element;
  info.height = std::max<std::uint64_t>(descriptor.height, 1);
  info.depth = std::max<std::uint64_t>(descriptor.depth, 1);
  return info;
}

std::uint64_t array_cost(const wire::ArrayDescriptor& descriptor, std::uint32_t levels) {
  constexpr std::uint64_t kTileRow = 64, kTileRows = 8, kStep = 512;
  wire::ArrayDescriptor level = descriptor;
  const bool layered = (descriptor.flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)) != 0;
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < std::max(levels, 1u); ++i) {
    const auto info = array_info(level);
    if (!info) return UINT64_MAX;
    const std::uint64_t rows = info->height > 1 ? round_up(info->height, kTileRows) : 1;
    // At most 2^24 bytes a row, 2^20 rows, 2^20 slices: the product is checked once.
    std::uint64_t slice = round_up(info->row_bytes, kTileRow) * rows, all = 0;
    if (__builtin_mul_overflow(slice, info->depth, &all) || __builtin_add_overflow(bytes, all, &bytes))
      return UINT64_MAX;
    const bool smallest = level.width <= 1 && level.height <= 1 && (layered || level.depth <= 1);
    if (smallest) break;
    level.width = std::max<std::uint64_t>(level.width / 2, 1);
    if (level.height > 1) level.height /= 2;
    if (level.depth > 1 && !layered) level.depth /= 2;
  }
  return bytes < UINT64_MAX - kStep ? round_up(bytes, kStep) : UINT64_MAX;
}

void Arrays::add(std::uint64_t id, const ArrayInfo& info) {
  const std::lock_guard lock(mutex_);
  ArrayInfo& entry = arrays_[id];
  ledger_.give(entry.device, entry.charged);  // of an id that a client uses twice
  entry = info;
}

std::optional<ArrayInfo> Arrays::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = arrays_.find(id);
  return found != arrays_.end() ? std::optional(found->second) : std::nullopt;
}

template <class Ends>
void Arrays::remove_if(Ends ends) {
  const std::lock_guard lock(mutex_);
  std::erase_if(arrays_, [&](const auto& item) {
    if (!ends(item.first, item.second)) return false;
    ledger_.give(item.second.device, item.second.charged);
    return true;
  });
}

Arrays::~Arrays() {
  remove_if([](std::uint64_t, const ArrayInfo&) { return true; });
}

void Arrays::remove(std::uint64_t id) {
  remove_if([id](std::uint64_t each, const ArrayInfo& info) { return each == id || info.whole == id; });
}

void Arrays::end_context(std::uint64_t context) {
  remove_if([context](std::uint64_t, const ArrayInfo& info) { return info.context == context; });
}

}  // namespace worker
