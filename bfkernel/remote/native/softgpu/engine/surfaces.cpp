// SPDX-License-Identifier: BSD-3-Clause
// suld, sust and sured, lane by lane.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "engine/registry.h"
#include "engine/texels.h"
#include "engine/texture_code.h"
#include "engine/texture_handles.h"

namespace softgpu {
namespace {

constexpr uint32_t kMostElements = 4;

// Operands of Instr::more: values, handle, [layer], coordinates.
struct Use {
  SurfaceCode code;
  uint8_t* value[kMostElements] = {};
  size_t stride;  // of a row of values: bytes a lane
  const uint64_t* handle = nullptr;
  const int32_t* layer = nullptr;
  const int32_t* coordinate[3] = {};

  Use(Warp& w, const Instr* ip)
      : code(unpacked<SurfaceCode>(ip->aux)), stride(std::max<size_t>(code.bytes, 2)) {
    const uint32_t* next = ip->more;
    for (uint32_t k = 0; k < code.vector; ++k) value[k] = row<uint8_t>(w, *next++);
    handle = row<uint64_t>(w, *next++);
    if (code.layered) layer = row<int32_t>(w, *next++);
    for (uint32_t d = 0; d < code.dimensions; ++d) coordinate[d] = row<int32_t>(w, *next++);
  }
  uint8_t* element(uint32_t k, int lane) const { return value[k] + static_cast<size_t>(lane) * stride; }
};

enum class Found { here, outside, misaligned };

// Brings a coordinate into [0, size), or says that it is outside.
bool settle(int64_t* x, int64_t size, SurfaceClamp clamp) {
  if (*x >= 0 && *x < size) return true;
  if (clamp != SurfaceClamp::clamp) return false;
  *x = std::clamp<int64_t>(*x, 0, size - 1);
  return true;
}

// Where a lane's bytes are. Unformatted accesses count x in bytes, formatted ones in texels.
Found locate(const Use& use, const TexelImage& image, int lane, uint8_t** out) {
  const TexelLevel& level = image.levels[0];
  const auto texel = static_cast<int64_t>(image.format.bytes());
  const int64_t bytes = use.code.formatted ? texel : int64_t{use.code.bytes} * use.code.vector;
  const auto clamp = static_cast<SurfaceClamp>(use.code.clamp);
  int64_t x = use.coordinate[0][lane];
  if (use.code.formatted) x *= texel;
  if (x % bytes != 0) return Found::misaligned;
  // In units of the access, so that no part of it can reach past the row's end.
  x /= bytes;
  int64_t y = use.code.dimensions > 1 ? use.coordinate[1][lane] : 0;
  int64_t z = use.code.dimensions > 2 ? use.coordinate[2][lane] : use.layer ? use.layer[lane] : 0;
  if (level.width * texel < bytes) return Found::outside;
  if (!settle(&x, level.width * texel / bytes, clamp) || !settle(&y, level.height, clamp) ||
      !settle(&z, level.depth, clamp))
    return Found::outside;
  *out = level.data + static_cast<size_t>(z) * level.slice + static_cast<size_t>(y) * level.pitch +
         static_cast<size_t>(x * bytes);
  return Found::here;
}

// Calls access(lane, image, bytes or null) for each lane; null where the place is outside and that is
// allowed.
template <class Access>
const Instr* each_place(Warp& w, const Instr* ip, const Use& use, Access access) {
  TextureHandles<TexelImage> handles(w);
  for (uint32_t m = w.active; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    const auto lane = static_cast<uint32_t>(i);
    const TexelImage* image = handles.find(use.handle[i]);
    if (image == nullptr)
      return w.fault(Fault::illegal_address, ip, lane, "no surface object of this handle");
    uint8_t* bytes = nullptr;
    const Found found = locate(use, *image, i, &bytes);
    if (found == Found::misaligned)
      return w.fault(Fault::misaligned_address, ip, lane, "misaligned surface coordinate");
    if (found == Found::outside && use.code.clamp == static_cast<uint32_t>(SurfaceClamp::trap))
      return w.fault(Fault::illegal_address, ip, lane, "a coordinate outside of the surface");
    access(i, *image, bytes);
  }
  return ip + 1;
}

const Instr* load(Warp& w, const Instr* ip) {
  const Use use(w, ip);
  return each_place(w, ip, use, [&](int lane, const TexelImage&, const uint8_t* bytes) {
    for (uint32_t k = 0; k < use.code.vector; ++k) {
      std::memset(use.element(k, lane), 0, use.stride);
      if (bytes) std::memcpy(use.element(k, lane), bytes + size_t{k} * use.code.bytes, use.code.bytes);
    }
  });
}

const Instr* store_bytes(Warp& w, const Instr* ip) {
  const Use use(w, ip);
  return each_place(w, ip, use, [&](int lane, const TexelImage&, uint8_t* bytes) {
    if (!bytes) return;
    for (uint32_t k = 0; k < use.code.vector; ++k)
      std::memcpy(bytes + size_t{k} * use.code.bytes, use.element(k, lane), use.code.bytes);
  });
}

const Instr* store_texels(Warp& w, const Instr* ip) {
  const Use use(w, ip);
  return each_place(w, ip, use, [&](int lane, const TexelImage& image, uint8_t* bytes) {
    if (!bytes) return;
    Texel texel = {0, 0, 0, 0};
    for (uint32_t k = 0; k < use.code.vector; ++k) std::memcpy(&texel[k], use.element(k, lane), 4);
    store(image.format, texel, bytes);
  });
}

template <class T>
T combined(SurfaceOp op, T a, T b) {
  switch (op) {
    case SurfaceOp::add:
      return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) +
                            static_cast<std::make_unsigned_t<T>>(b));
    case SurfaceOp::min:
      return std::min(a, b);
    case SurfaceOp::max:
      return std::max(a, b);
    case SurfaceOp::conjunction:
      return a & b;
    default:
      return a | b;
  }
}

template <class T>
void change(uint8_t* bytes, const uint8_t* operand, SurfaceOp op) {
  T value;
  std::memcpy(&value, operand, sizeof value);
  std::atomic_ref<T> cell(*reinterpret_cast<T*>(bytes));
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, combined(op, old, value))) {
  }
}

const Instr* reduce(Warp& w, const Instr* ip) {
  const Use use(w, ip);
  const auto op = static_cast<SurfaceOp>(use.code.op);
  return each_place(w, ip, use, [&](int lane, const TexelImage& image, uint8_t* bytes) {
    if (!bytes || (use.code.formatted && image.format.bytes() < use.code.bytes)) return;
    const uint8_t* operand = use.element(0, lane);
    if (use.code.bytes == 8)
      use.code.is_signed ? change<int64_t>(bytes, operand, op) : change<uint64_t>(bytes, operand, op);
    else
      use.code.is_signed ? change<int32_t>(bytes, operand, op) : change<uint32_t>(bytes, operand, op);
  });
}

}  // namespace

void register_surfaces(Registry& r) {
  r.add("suld", "", load);
  r.add("sust.b", "", store_bytes);
  r.add("sust.p", "", store_texels);
  r.add("sured", "", reduce);
}

}  // namespace softgpu
