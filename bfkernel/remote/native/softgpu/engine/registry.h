// SPDX-License-Identifier: BSD-3-Clause
// Which handler executes which instruction. The key is PTX's own spelling ("mad.lo.s32") or the decoder's
// canonical form of a family ("ld.4.4"); the signature tells the decoder how to bind operands.
//
// A signature is one letter an operand, destinations marked by '=' before them:
//   h 16 bits   w 32 bits   l 64 bits   q 128 bits   p predicate
//   x f16   b bf16   f f32   e f64      as h, h, w, l, but constants are converted to that format
//   c the carry flag, not written in the text        ? the rest is optional
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/ir.h"

namespace softgpu {

class Registry {
 public:
  struct Entry {
    Handler fn;
    std::string signature;
    uint32_t aux;
  };

  void add(std::string key, std::string signature, Handler fn, uint32_t aux = 0);
  const Entry* find(const std::string& key) const {
    const auto it = entries_.find(key);
    return it == entries_.end() ? nullptr : &it->second;
  }
  // Does any instruction begin with this opcode? For a better message.
  bool knows_opcode(std::string_view opcode) const;

 private:
  std::unordered_map<std::string, Entry> entries_;
};

// Filled once, with the widest vector code this processor runs.
const Registry& registry();

void register_control(Registry& r);
void register_barriers(Registry& r);
void register_mbarriers(Registry& r);
void register_collectives(Registry& r);
void register_atomics(Registry& r);
void register_special(Registry& r);
void register_bits(Registry& r);
void register_convert(Registry& r);
void register_matrix(Registry& r);
void register_half(Registry& r);
void register_math(Registry& r);
void register_video(Registry& r);
void register_textures(Registry& r);
void register_surfaces(Registry& r);

namespace isa_base {
void register_vector(Registry& r);
}
namespace isa_avx2 {
void register_vector(Registry& r);
}
namespace isa_avx512 {
void register_vector(Registry& r);
}

}  // namespace softgpu
