// SPDX-License-Identifier: BSD-3-Clause
// tex, tld4 and txq, lane by lane.
#include <algorithm>
#include <string>

#include "engine/registry.h"
#include "engine/sampler.h"
#include "engine/texture_code.h"
#include "engine/texture_handles.h"

namespace softgpu {
namespace {

// The operands of Instr::more, taken one after the other.
class Rows {
 public:
  Rows(Warp& w, const Instr* ip) : w_(w), next_(ip->more) {}
  template <class T>
  T* take() {
    return row<T>(w_, *next_++);
  }
  template <class T>
  void take(T** rows, uint32_t count) {
    for (uint32_t k = 0; k < count; ++k) rows[k] = take<T>();
  }

 private:
  Warp& w_;
  const uint32_t* next_;
};

// Everything that one texture instruction reads and writes.
struct Fetch {
  TextureCode code;
  uint32_t* target[4] = {};
  uint32_t* resident = nullptr;
  const uint64_t* handle = nullptr;
  const uint32_t* layer = nullptr;
  uint32_t* coordinate[3] = {};
  uint32_t* level = nullptr;
  uint32_t* gradient[6] = {};
  uint32_t* offset[3] = {};

  Fetch(Warp& w, const Instr* ip) : code(unpacked<TextureCode>(ip->aux)) {
    Rows rows(w, ip);
    rows.take(target, 4);
    if (code.predicate) resident = rows.take<uint32_t>();
    handle = rows.take<uint64_t>();
    if (code.layered) layer = rows.take<uint32_t>();
    rows.take(coordinate, code.coordinates());
    if (code.level) level = rows.take<uint32_t>();
    if (code.gradient) rows.take(gradient, 2 * code.coordinates());
    if (code.offset) rows.take(offset, code.coordinates());
  }

  TexturePlace place(const Texture& texture, int lane) const {
    TexturePlace p;
    p.integral = code.integral;
    p.cube = code.cube;
    if (layer != nullptr) p.layer = layer[lane];
    for (size_t d = 0; d < code.coordinates(); ++d) {
      const uint32_t bits = coordinate[d][lane];
      if (code.integral)
        p.index[d] = static_cast<int32_t>(bits);
      else
        p.at[d] = std::bit_cast<float>(bits);
      if (code.offset) p.offset[d] = static_cast<int32_t>(offset[d][lane]);
    }
    if (code.level)
      p.level = code.integral ? static_cast<float>(static_cast<int32_t>(level[lane]))
                              : std::bit_cast<float>(level[lane]);
    if (code.gradient) p.level = level_of(texture, steps(0, lane), steps(code.coordinates(), lane));
    return p;
  }

 private:
  std::array<float, 3> steps(size_t first, int lane) const {
    std::array<float, 3> step = {0, 0, 0};
    for (size_t d = 0; d < code.coordinates(); ++d) step[d] = std::bit_cast<float>(gradient[first + d][lane]);
    return step;
  }
};

const Instr* fetch(Warp& w, const Instr* ip) {
  const Fetch f(w, ip);
  TextureHandles<Texture> handles(w);
  for (uint32_t m = w.active; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    const Texture* texture = handles.find(f.handle[i]);
    if (texture == nullptr)
      return w.fault(Fault::illegal_address, ip, static_cast<uint32_t>(i),
                     "no texture object of this handle");
    const TexturePlace place = f.place(*texture, i);
    const Texel texel = f.code.gather ? gather(*texture, place, f.code.channel) : sample(*texture, place);
    for (size_t k = 0; k < 4; ++k) f.target[k][i] = texel[k];
    if (f.resident != nullptr) f.resident[i] = ~0u;
  }
  return ip + 1;
}

uint32_t answer(const TexelImage& image, bool normalized, TextureQuery query, size_t level) {
  const TexelLevel& size = image.levels[std::min(level, image.levels.size() - 1)];
  const bool slices = image.layered || image.cube;
  switch (query) {
    case TextureQuery::width:
      return size.width;
    case TextureQuery::height:
      return image.dimensions > 1 ? size.height : 0;
    case TextureQuery::depth:
      return image.dimensions > 2 ? size.depth : 0;
    case TextureQuery::layers:
      return slices ? size.depth / (image.cube ? 6 : 1) : 0;
    case TextureQuery::levels:
      return static_cast<uint32_t>(image.levels.size());
    case TextureQuery::samples:
      return 1;
    default:
      return normalized;
  }
}

// Operands: 0 the answer, 1 handle, 2 level.
template <class Object>
const Instr* query(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const auto* handle = row<uint64_t>(w, ip->o[1]);
  const auto* level = row<uint32_t>(w, ip->o[2]);
  TextureHandles<Object> handles(w);
  for (uint32_t m = w.active; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    const Object* object = handles.find(handle[i]);
    if (object == nullptr)
      return w.fault(Fault::illegal_address, ip, static_cast<uint32_t>(i), "no object of this handle");
    bool normalized = false;
    if constexpr (std::is_same_v<Object, Texture>) normalized = object->normalized;
    d[i] = answer(image_of(*object), normalized, static_cast<TextureQuery>(ip->aux), level[i]);
  }
  return ip + 1;
}

}  // namespace

void register_textures(Registry& r) {
  r.add("tex", "", fetch);
  r.add("txq", "", query<Texture>);
  r.add("suq", "", query<TexelImage>);
}

}  // namespace softgpu
