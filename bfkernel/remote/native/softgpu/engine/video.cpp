// SPDX-License-Identifier: BSD-3-Clause
// Video instructions on whole registers (vadd …) and on two or four parts of them (vadd4 …).
#include <cstdlib>
#include <string>

#include "engine/registry.h"
#include "engine/warp.h"

namespace softgpu {
namespace {

using Operation = int64_t (*)(int64_t, int64_t);

int64_t add(int64_t a, int64_t b) { return a + b; }
int64_t subtract(int64_t a, int64_t b) { return a - b; }
int64_t difference(int64_t a, int64_t b) { return a < b ? b - a : a - b; }
int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t maximum(int64_t a, int64_t b) { return a < b ? b : a; }
int64_t average(int64_t a, int64_t b) { return (a + b + (a + b >= 0)) >> 1; }  // rounds away from zero

constexpr uint32_t kSaturated = 1;
constexpr uint32_t kAccumulate = 2;  // the parts are summed into the third operand

template <int Parts>
int64_t part(uint32_t x, int k, bool is_signed) {
  constexpr int bits = 32 / Parts;
  const uint32_t shifted = x << (32 - bits - k * bits);
  return is_signed ? static_cast<int32_t>(shifted) >> (32 - bits)
                   : static_cast<int64_t>(shifted >> (32 - bits));
}

// Types in aux: bits 8, 9 and 10 say which of d, a and b are signed.
template <Operation F, int Parts>
const Instr* video(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const auto* a = row<uint32_t>(w, ip->o[1]);
  const auto* b = row<uint32_t>(w, ip->o[2]);
  const auto* c = ip->o[3] == kNoOperand ? nullptr : row<uint32_t>(w, ip->o[3]);
  constexpr int bits = 32 / Parts;
  const bool to_signed = (ip->aux & 256) != 0;
  const int64_t high = (int64_t{1} << (to_signed ? bits - 1 : bits)) - 1;
  const int64_t low = to_signed ? -(int64_t{1} << (bits - 1)) : 0;
  each_lane(w.active, [&](int i) {
    uint32_t result = 0, sum = 0;
    for (int k = 0; k < Parts; ++k) {
      int64_t x = F(part<Parts>(a[i], k, (ip->aux & 512) != 0), part<Parts>(b[i], k, (ip->aux & 1024) != 0));
      if (ip->aux & kSaturated) x = x < low ? low : x > high ? high : x;
      result |= (static_cast<uint32_t>(x) & static_cast<uint32_t>((int64_t{1} << bits) - 1)) << (k * bits);
      sum += static_cast<uint32_t>(x);
    }
    if (ip->aux & kAccumulate) result = sum + (c == nullptr ? 0 : c[i]);
    d[i] = result;
  });
  return ip + 1;
}

template <Operation F, int Parts>
void register_operation(Registry& r, const std::string& op) {
  const std::string name = op + (Parts == 1 ? "" : std::to_string(Parts));
  for (uint32_t types = 0; types < 8; ++types) {
    std::string key = name;
    for (uint32_t k = 0; k < 3; ++k) key += types >> k & 1 ? ".s32" : ".u32";
    r.add(key, Parts == 1 ? "=www" : "=www?w", video<F, Parts>, types << 8);
    r.add(key + ".sat", Parts == 1 ? "=www" : "=www?w", video<F, Parts>, types << 8 | kSaturated);
    r.add(key + ".add", "=wwww", video<F, Parts>, types << 8 | kAccumulate);
  }
}

template <Operation F>
void register_all(Registry& r, const std::string& op) {
  register_operation<F, 1>(r, op);
  register_operation<F, 2>(r, op);
  register_operation<F, 4>(r, op);
}

}  // namespace

void register_video(Registry& r) {
  register_all<add>(r, "vadd");
  register_all<subtract>(r, "vsub");
  register_all<difference>(r, "vabsdiff");
  register_all<minimum>(r, "vmin");
  register_all<maximum>(r, "vmax");
  register_all<average>(r, "vavrg");
}

}  // namespace softgpu
