// SPDX-License-Identifier: BSD-3-Clause
// cvt in general: every source is read into an integer or a double exactly, and rounded once to the
// destination.
#include "engine/convert.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/numeric.h"
#include "engine/registry.h"
#include "engine/warp.h"

namespace softgpu {
namespace {

// Four bits a type: kind in the low two, log2 of the bytes in the high two.
uint32_t type_code(const Type& t) {
  const uint32_t kind = t.kind == 's' ? 1 : t.kind == 'f' ? 2 : t.kind == 'g' ? 3 : 0;
  return kind | static_cast<uint32_t>(std::countr_zero(t.bytes())) << 2;
}

struct Decoded {
  bool real;
  bool is_signed;
  bool bfloat;
  uint32_t bytes;
};
Decoded decoded(uint32_t code) {
  return {(code & 3) >= 2, (code & 3) == 1, (code & 3) == 3, 1u << (code >> 2 & 3)};
}

uint64_t read(Warp& w, uint32_t operand, uint32_t bytes, int lane) {
  switch (bytes) {
    case 2:
      return row<uint16_t>(w, operand)[lane];
    case 4:
      return row<uint32_t>(w, operand)[lane];
    default:
      return row<uint64_t>(w, operand)[lane];
  }
}
void write(Warp& w, uint32_t operand, uint32_t bytes, int lane, uint64_t value) {
  switch (bytes) {
    case 2:
      destination<uint16_t>(w, operand)[lane] = static_cast<uint16_t>(value);
      break;
    case 4:
      destination<uint32_t>(w, operand)[lane] = static_cast<uint32_t>(value);
      break;
    default:
      destination<uint64_t>(w, operand)[lane] = value;
      break;
  }
}

double real_value(uint64_t bits, const Decoded& t, bool ftz) {
  if (t.bytes == 8) return std::bit_cast<double>(bits);
  if (t.bytes == 4) {
    const auto b = static_cast<uint32_t>(bits);
    return std::bit_cast<float>(ftz && (b & 0x7f800000u) == 0 ? b & 0x80000000u : b);
  }
  return t.bfloat ? bf16_value(static_cast<uint16_t>(bits)) : f16_value(static_cast<uint16_t>(bits));
}

double to_integral(double x, uint32_t flags) {
  switch (flags & kRoundMask) {
    case kRoundZero:
      return std::trunc(x);
    case kRoundDown:
      return std::floor(x);
    case kRoundUp:
      return std::ceil(x);
    default:
      return std::nearbyint(x);
  }
}

uint64_t real_to_integer(double x, const Decoded& t, const Decoded& from, uint32_t flags) {
  const int bits = static_cast<int>(8 * t.bytes);
  if (std::isnan(x)) {
    // As hardware answers: 0 from single to at most 32 bits, otherwise the lone top bit.
    if (bits == 64) return 1ull << 63;
    return from.bytes == 8 && bits == 32 ? 0x80000000u : 0;
  }
  x = to_integral(x, flags);
  const double high = std::ldexp(1.0, t.is_signed ? bits - 1 : bits);
  const double low = t.is_signed ? -high : 0.0;
  if (x >= high) return t.is_signed ? (1ull << (bits - 1)) - 1 : bits == 64 ? ~0ull : (1ull << bits) - 1;
  if (x < low) return t.is_signed ? 0ull - (1ull << (bits - 1)) : 0;
  return t.is_signed ? static_cast<uint64_t>(static_cast<int64_t>(x)) : static_cast<uint64_t>(x);
}

uint64_t real_to_real(double x, const Decoded& t, uint32_t flags) {
  if (flags & kIntegral) x = to_integral(x, flags);
  if (flags & kSaturate) x = x > 0 ? (x < 1 ? x : 1) : 0;
  if ((flags & kRelu) && x < 0) x = 0;
  if (t.bytes == 8) return std::bit_cast<uint64_t>(x);
  return round_to(t.bytes == 4 ? kF32
                  : t.bfloat   ? kBf16
                               : kF16,
                  x, flags & ~(t.bytes == 2 ? static_cast<uint32_t>(kFtz) : 0u));
}

// 64-bit integers do not fit a double; the processor rounds them directly.
uint64_t integer_to_real(uint64_t bits, bool is_signed, const Decoded& t, uint32_t flags) {
  const RoundingScope rounding(flags);
  volatile uint64_t u = bits;
  volatile int64_t s = static_cast<int64_t>(bits);
  if (t.bytes == 8) {
    volatile double d = 0;
    if (is_signed)
      d = static_cast<double>(s);
    else
      d = static_cast<double>(u);
    return std::bit_cast<uint64_t>(static_cast<double>(d));
  }
  if (t.bytes == 4) {
    volatile float f = 0;
    if (is_signed)
      f = static_cast<float>(s);
    else
      f = static_cast<float>(u);
    return std::bit_cast<uint32_t>(static_cast<float>(f));
  }
  // To 16 bits: keep 40 leading bits and a sticky one, which a double holds.
  const bool negative = is_signed && static_cast<int64_t>(bits) < 0;
  uint64_t magnitude = negative ? 0 - bits : bits;
  int shift = 0;
  while (magnitude >> 50 != 0) {
    magnitude = magnitude >> 1 | (magnitude & 1);
    ++shift;
  }
  const double exact = std::ldexp(static_cast<double>(magnitude), shift);
  return round_to(t.bfloat ? kBf16 : kF16, negative ? -exact : exact, flags);
}

uint64_t saturate_integer(uint64_t v, bool from_signed, const Decoded& t) {
  const int bits = static_cast<int>(8 * t.bytes);
  const __int128 x = from_signed ? static_cast<__int128>(static_cast<int64_t>(v)) : static_cast<__int128>(v);
  const __int128 high =
      t.is_signed ? (static_cast<__int128>(1) << (bits - 1)) - 1 : (static_cast<__int128>(1) << bits) - 1;
  const __int128 low = t.is_signed ? -(static_cast<__int128>(1) << (bits - 1)) : 0;
  return static_cast<uint64_t>(x > high ? high : x < low ? low : x);
}

uint64_t extend(uint64_t v, const Decoded& t) {
  const int unused = static_cast<int>(64 - 8 * t.bytes);
  return t.is_signed ? static_cast<uint64_t>(static_cast<int64_t>(v << unused) >> unused)
                     : v << unused >> unused;
}

const Instr* convert(Warp& w, const Instr* ip) {
  const Decoded to = decoded(ip->aux);
  const Decoded from = decoded(ip->aux >> 4);
  const uint32_t to_bytes = 1u << (ip->aux >> 8 & 3);
  const uint32_t from_bytes = 1u << (ip->aux >> 10 & 3);
  auto flags = static_cast<uint32_t>(ip->imm);
  each_lane(w.active, [&](int i) {
    uint64_t v = read(w, ip->o[1], from_bytes, i);
    if (from.real) {
      const double x = real_value(v, from, (flags & kFtz) != 0);
      if (to.real && to.bytes == 8 && from.bytes == 8 && std::isnan(x)) {
        // NaN payloads of doubles pass.
      } else {
        v = to.real ? real_to_real(x, to, flags) : extend(real_to_integer(x, to, from, flags), to);
      }
    } else {
      v = extend(v, from);
      if (to.real) {
        v = integer_to_real(v, from.is_signed, to, flags);
        if (flags & kSaturate) v = real_to_real(real_value(v, to, false), to, kSaturate);
      } else {
        v = extend(saturate_integer(v, from.is_signed, to), to);
      }
    }
    write(w, ip->o[0], to_bytes, i, v);
  });
  return ip + 1;
}

// cvt.rn.f16x2.f32 d, a, b: a goes to the upper half.
template <const FloatFormat* Format, uint32_t Bits, class D>
const Instr* convert_pair(Warp& w, const Instr* ip) {
  D* d = destination<D>(w, ip->o[0]);
  const float* a = row<float>(w, ip->o[1]);
  const float* b = row<float>(w, ip->o[2]);
  const uint32_t flags = ip->aux;
  const auto one = [&](float x) {
    if ((flags & kRelu) && x < 0) x = 0;
    return round_to(*Format, x, flags);
  };
  each_lane(w.active, [&](int i) { d[i] = static_cast<D>(one(a[i]) << Bits | one(b[i])); });
  return ip + 1;
}

// cvt.rn.satfinite.e4m3x2.f16x2 and back: two small floats a register.
template <const FloatFormat* Format>
const Instr* narrow_pair(Warp& w, const Instr* ip) {
  auto* d = destination<uint16_t>(w, ip->o[0]);
  const auto* a = row<uint32_t>(w, ip->o[1]);
  each_lane(w.active, [&](int i) {
    const auto one = [&](uint32_t half) {
      double x = f16_value(static_cast<uint16_t>(half));
      if ((ip->aux & kRelu) && x < 0) x = 0;
      return round_to(*Format, x, ip->aux);
    };
    d[i] = static_cast<uint16_t>(one(a[i] >> 16) << 8 | one(a[i] & 0xffff));
  });
  return ip + 1;
}
template <const FloatFormat* Format>
const Instr* widen_pair(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const auto* a = row<uint16_t>(w, ip->o[1]);
  each_lane(w.active, [&](int i) {
    const auto one = [&](uint32_t bits) -> uint32_t {
      double x = value_of(*Format, bits);
      if ((ip->aux & kRelu) && x < 0) x = 0;
      return f16_from_double(x, kRoundNearest);
    };
    d[i] = one(a[i] >> 8) << 16 | one(a[i] & 0xff);
  });
  return ip + 1;
}

const Instr* to_tf32(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const float* a = row<float>(w, ip->o[1]);
  each_lane(w.active, [&](int i) {
    float x = a[i];
    if ((ip->aux & kRelu) && x < 0) x = 0;
    d[i] = std::isnan(x) ? 0x7fffffffu : round_to(kTf32, x, ip->aux) << 13;
  });
  return ip + 1;
}

// cvt.pack.sat.T.s32.b32 d, a, b, c: a and b saturated to T and shifted into c from below.
template <int64_t Low, int64_t High, int Bits>
const Instr* pack_saturated(Warp& w, const Instr* ip) {
  auto* d = destination<uint32_t>(w, ip->o[0]);
  const auto* a = row<int32_t>(w, ip->o[1]);
  const auto* b = row<int32_t>(w, ip->o[2]);
  const auto* c = ip->o[3] == kNoOperand ? nullptr : row<uint32_t>(w, ip->o[3]);
  constexpr uint32_t mask = (1u << Bits) - 1;
  each_lane(w.active, [&](int i) {
    const auto clamp = [](int64_t x) {
      return static_cast<uint32_t>(x < Low ? Low : x > High ? High : x) & mask;
    };
    const uint32_t rest = c == nullptr || 2 * Bits >= 32 ? 0 : c[i] << (2 * Bits & 31);
    d[i] = rest | clamp(a[i]) << Bits | clamp(b[i]);
  });
  return ip + 1;
}

}  // namespace

uint32_t conversion_code(const Type& to, const Type& from, uint32_t to_bytes, uint32_t from_bytes) {
  return type_code(to) | type_code(from) << 4 | static_cast<uint32_t>(std::countr_zero(to_bytes)) << 8 |
         static_cast<uint32_t>(std::countr_zero(from_bytes)) << 10;
}

void register_convert(Registry& r) {
  r.add("cvt", "", convert);
  r.add("cvt.f16x2.f32", "=wff", convert_pair<&kF16, 16, uint32_t>);
  r.add("cvt.bf16x2.f32", "=wff", convert_pair<&kBf16, 16, uint32_t>);
  r.add("cvt.e4m3x2.f32", "=hff", convert_pair<&kE4m3, 8, uint16_t>);
  r.add("cvt.e5m2x2.f32", "=hff", convert_pair<&kE5m2, 8, uint16_t>);
  r.add("cvt.e4m3x2.f16x2", "=hw", narrow_pair<&kE4m3>);
  r.add("cvt.e5m2x2.f16x2", "=hw", narrow_pair<&kE5m2>);
  r.add("cvt.f16x2.e4m3x2", "=wh", widen_pair<&kE4m3>);
  r.add("cvt.f16x2.e5m2x2", "=wh", widen_pair<&kE5m2>);
  r.add("cvt.tf32.f32", "=wf", to_tf32);
  r.add("cvt.pack.sat.u8.s32.b32", "=wwww", pack_saturated<0, 255, 8>);
  r.add("cvt.pack.sat.s8.s32.b32", "=wwww", pack_saturated<-128, 127, 8>);
  r.add("cvt.pack.sat.u4.s32.b32", "=wwww", pack_saturated<0, 15, 4>);
  r.add("cvt.pack.sat.s4.s32.b32", "=wwww", pack_saturated<-8, 7, 4>);
  r.add("cvt.pack.sat.u16.s32", "=www", pack_saturated<0, 65535, 16>);
  r.add("cvt.pack.sat.s16.s32", "=www", pack_saturated<-32768, 32767, 16>);
}

}  // namespace softgpu
