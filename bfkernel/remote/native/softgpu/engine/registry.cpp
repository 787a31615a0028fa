// SPDX-License-Identifier: BSD-3-Clause
#include "engine/registry.h"

namespace softgpu {

void Registry::add(std::string key, std::string signature, Handler fn, uint32_t aux) {
  entries_.insert_or_assign(std::move(key), Entry{fn, std::move(signature), aux});
}

bool Registry::knows_opcode(std::string_view opcode) const {
  for (const auto& [key, entry] : entries_) {
    if (key.compare(0, opcode.size(), opcode) == 0 &&
        (key.size() == opcode.size() || key[opcode.size()] == '.'))
      return true;
  }
  return false;
}

namespace {

void register_vectors(Registry& r) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) return isa_avx512::register_vector(r);
  if (avx2) return isa_avx2::register_vector(r);
#endif
  isa_base::register_vector(r);
}

Registry fill() {
  Registry r;
  register_vectors(r);
  register_control(r);
  register_barriers(r);
  register_mbarriers(r);
  register_collectives(r);
  register_atomics(r);
  register_special(r);
  register_bits(r);
  register_convert(r);
  register_half(r);
  register_math(r);
  register_video(r);
  register_matrix(r);
  register_textures(r);
  register_surfaces(r);
  return r;
}

}  // namespace

const Registry& registry() {
  static const Registry filled = fill();
  return filled;
}

}  // namespace softgpu
