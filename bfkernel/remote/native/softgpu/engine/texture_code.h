// SPDX-License-Identifier: BSD-3-Clause
// What the decoder tells the handlers of texture and surface instructions, in Instr::aux; and the order of
// Instr::more: destinations, [predicate], handle, [layer], coordinates, then what the instruction adds to
// them.
#pragma once

#include <bit>
#include <cstdint>

namespace softgpu {

enum class SurfaceClamp : uint32_t { trap, clamp, zero };
enum class SurfaceOp : uint32_t { add, min, max, conjunction, disjunction };
enum class TextureQuery : uint32_t { width, height, depth, layers, levels, samples, normalized };

struct TextureCode {
  uint32_t dimensions : 2 = 1;
  uint32_t layered : 1 = 0;
  uint32_t cube : 1 = 0;
  uint32_t integral : 1 = 0;   // coordinates are integers
  uint32_t level : 1 = 0;      // one more operand: the level of detail
  uint32_t gradient : 1 = 0;   // two more a coordinate
  uint32_t offset : 1 = 0;     // one more a coordinate
  uint32_t predicate : 1 = 0;  // a fifth destination
  uint32_t gather : 1 = 0;
  uint32_t channel : 2 = 0;  // of a gather
  uint32_t unused : 20 = 0;

  uint32_t coordinates() const { return cube ? 3 : dimensions; }
};

struct SurfaceCode {
  uint32_t dimensions : 2 = 1;
  uint32_t layered : 1 = 0;
  uint32_t bytes : 4 = 4;   // of one element
  uint32_t vector : 3 = 1;  // elements
  uint32_t formatted : 1 = 0;
  uint32_t clamp : 2 = 0;      // a SurfaceClamp
  uint32_t op : 3 = 0;         // a SurfaceOp
  uint32_t is_signed : 1 = 0;  // what it works on
  uint32_t unused : 15 = 0;
};

inline uint32_t packed(const TextureCode& code) { return std::bit_cast<uint32_t>(code); }
inline uint32_t packed(const SurfaceCode& code) { return std::bit_cast<uint32_t>(code); }
template <class Code>
Code unpacked(uint32_t aux) {
  return std::bit_cast<Code>(aux);
}

}  // namespace softgpu
