// SPDX-License-Identifier: BSD-3-Clause
// Matrix instructions of a warp: mma, wmma, ldmatrix, stmatrix, movmatrix. All lanes take part, so a handler
// waits for them and then works on the warp as a whole.
#include "engine/matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/access.h"
#include "engine/numeric.h"
#include "engine/registry.h"

namespace softgpu {
namespace {

#define SOFTGPU_WAIT_FOR_WARP \
  if (!w.all_here(~0u)) return w.block_group(ip, GroupState::waiting)

constexpr uint32_t kMostElements = 64 * 64;

double value_of(Element element, uint64_t bits) {
  switch (element) {
    case Element::f16:
      return f16_value(static_cast<uint16_t>(bits));
    case Element::bf16:
      return bf16_value(static_cast<uint16_t>(bits));
    case Element::tf32:  // the lowest 13 bits are not looked at
      return double{std::bit_cast<float>(static_cast<uint32_t>(bits) & ~0x1fffu)};
    case Element::f32:
      return double{std::bit_cast<float>(static_cast<uint32_t>(bits))};
    case Element::f64:
      return std::bit_cast<double>(bits);
    case Element::s8:
      return static_cast<int8_t>(bits);
    case Element::u8:
      return static_cast<uint8_t>(bits);
    default:
      return static_cast<int32_t>(bits);
  }
}

uint64_t bits_of(Element element, double value, bool saturate) {
  switch (element) {
    case Element::f16:
      return f16_from_double(value, kRoundNearest);
    case Element::f64:
      return std::bit_cast<uint64_t>(value);
    case Element::s32:
      if (saturate) value = std::clamp(value, -2147483648.0, 2147483647.0);
      return static_cast<uint32_t>(static_cast<int64_t>(value));
    default:
      return std::bit_cast<uint32_t>(static_cast<float>(value));
  }
}

// The registers of one fragment: operands `first` and following of Instr::more.
class Registers {
 public:
  Registers(Warp& w, const uint32_t* operands, const Fragment& f)
      : bytes_(element_bits(f.element) / 8), per_register_(f.per_register()), row_bytes_(f.register_bytes()) {
    for (uint32_t r = 0; r < f.registers(); ++r) rows_[r] = row<uint8_t>(w, operands[r]);
  }
  uint8_t* at(uint32_t lane, uint32_t slot) const {
    return rows_[slot / per_register_] + size_t{lane} * row_bytes_ + slot % per_register_ * bytes_;
  }
  uint64_t bits(uint32_t lane, uint32_t slot) const {
    uint64_t bits = 0;
    std::memcpy(&bits, at(lane, slot), bytes_);
    return bits;
  }

 private:
  size_t bytes_;
  uint32_t per_register_, row_bytes_;
  uint8_t* rows_[32] = {};
};

void collect(Warp& w, const uint32_t* operands, const Fragment& f, double* out) {
  const Registers registers(w, operands, f);
  for (uint32_t i = 0; i < f.place.size(); ++i)
    out[f.place[i]] = value_of(f.element, registers.bits(i / f.slots, i % f.slots));
}

// Operands of Instr::more: d, a, b, c.
const Instr* multiply(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_WARP;
  const auto& p = *reinterpret_cast<const MatrixProduct*>(ip->imm);
  static thread_local double a[kMostElements], b[kMostElements], c[kMostElements];
  const uint32_t* operands = ip->more + p.d.registers();
  collect(w, operands, p.a, a);
  collect(w, operands += p.a.registers(), p.b, b);
  collect(w, operands + p.b.registers(), p.c, c);
  // Products of the small formats are exact in double, and so nearly are their sums.
  for (uint32_t row = 0; row < p.a.rows; ++row) {
    for (uint32_t k = 0; k < p.a.columns; ++k) {
      const double factor = a[row * p.a.columns + k];
      for (uint32_t column = 0; column < p.b.columns; ++column) {
        double& sum = c[row * p.b.columns + column];
        sum = std::fma(factor, b[k * p.b.columns + column], sum);
      }
    }
  }
  const Registers result(w, ip->more, p.d);
  const size_t bytes = element_bits(p.d.element) / 8;
  for (uint32_t i = 0; i < p.d.place.size(); ++i) {
    const uint64_t bits = bits_of(p.d.element, c[p.d.place[i]], p.saturate);
    std::memcpy(result.at(i / p.d.slots, i % p.d.slots), &bits, bytes);
  }
  return ip + 1;
}

// The generic address that an address operand means.
uint64_t generic(Warp& w, uint32_t operand, int lane, bool wide, bool in_shared, int64_t offset) {
  const uint64_t address = wide ? row<uint64_t>(w, operand)[lane] + static_cast<uint64_t>(offset)
                                : row<uint32_t>(w, operand)[lane] + static_cast<uint32_t>(offset);
  return in_shared ? kSharedWindow + (address & (kWindowSize - 1)) : address;
}

// Null after a fault. Kernel parameters can be read but not written.
uint8_t* memory_at(Warp& w, const Instr* ip, uint64_t address, int lane, uint32_t bytes, bool store) {
  if (address % bytes != 0) {
    w.fault(Fault::misaligned_address, ip, static_cast<uint32_t>(lane), "misaligned address");
    return nullptr;
  }
  const bool parameter = address >= kParamWindow && address < kParamWindow + kWindowSize;
  const uint8_t* found = store && parameter ? nullptr : readable(w, ip, address, lane, bytes);
  if (found == nullptr) w.fault(Fault::illegal_address, ip, static_cast<uint32_t>(lane), "illegal address");
  return const_cast<uint8_t*>(found);
}

// wmma.load and wmma.store. Operands of Instr::more: the fragment, address, stride, offset of the address.
const Instr* transfer(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_WARP;
  const auto& access = *reinterpret_cast<const MatrixAccess*>(ip->imm);
  const Fragment& f = access.fragment;
  const Registers registers(w, ip->more, f);
  const uint32_t address = ip->more[f.registers()];
  const auto* stride = row<uint32_t>(w, ip->more[f.registers() + 1]);
  const auto* offset = row<int64_t>(w, ip->more[f.registers() + 2]);
  const auto bytes = static_cast<uint32_t>(element_bits(f.element) / 8);
  for (uint32_t i = 0; i < f.place.size(); ++i) {
    const uint32_t lane = i / f.slots, r = f.place[i] / f.columns, c = f.place[i] % f.columns;
    if (!(w.active >> lane & 1)) continue;
    const uint64_t base =
        generic(w, address, static_cast<int>(lane), access.wide_address, access.in_shared, offset[lane]);
    const uint64_t index =
        access.by_columns ? uint64_t{c} * stride[lane] + r : uint64_t{r} * stride[lane] + c;
    uint8_t* memory = memory_at(w, ip, base + index * bytes, static_cast<int>(lane), bytes, access.stores);
    if (memory == nullptr) return nullptr;
    uint8_t* element = registers.at(lane, i % f.slots);
    std::memcpy(access.stores ? memory : element, access.stores ? element : memory, bytes);
  }
  return ip + 1;
}

// Element e of what lane holds of an 8 by 8 matrix of 16-bit elements.
uint32_t row_of(int lane, int e, bool transposed) {
  return static_cast<uint32_t>(transposed ? lane % 4 * 2 + e : lane / 4);
}
uint32_t column_of(int lane, int e, bool transposed) {
  return static_cast<uint32_t>(transposed ? lane / 4 : lane % 4 * 2 + e);
}

// ldmatrix and stmatrix: the k-th eight lanes give the addresses of the rows of matrix k. Operands of
// Instr::more: registers, address.
const Instr* matrices(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_WARP;
  const uint32_t count = ip->aux >> kMatricesShift;
  const bool stores = ip->aux & kStoresMatrices, transposed = ip->aux & kTransposed,
             wide = ip->aux & kWideAddress;
  const uint32_t address = ip->more[count];
  uint8_t* rows[4][8];
  for (uint32_t k = 0; k < count; ++k) {
    for (uint32_t r = 0; r < 8; ++r) {
      const int lane = static_cast<int>(8 * k + r);
      const uint64_t at = generic(w, address, lane, wide, true, ip->imm);
      rows[k][r] = memory_at(w, ip, at, lane, 16, stores);
      if (rows[k][r] == nullptr) return nullptr;
    }
  }
  for (uint32_t k = 0; k < count; ++k) {
    auto* values = row<uint16_t>(w, ip->more[k]);
    each_lane(w.active, [&](int lane) {
      for (int e = 0; e < 2; ++e) {
        uint8_t* memory = rows[k][row_of(lane, e, transposed)] + 2 * column_of(lane, e, transposed);
        uint16_t* element = values + 2 * lane + e;
        if (stores)
          std::memcpy(memory, element, 2);
        else
          std::memcpy(element, memory, 2);
      }
    });
  }
  return ip + 1;
}

const Instr* transpose(Warp& w, const Instr* ip) {
  SOFTGPU_WAIT_FOR_WARP;
  auto* to = destination<uint16_t>(w, ip->o[0]);
  uint16_t from[2 * kLanes];
  std::memcpy(from, row<uint16_t>(w, ip->o[1]), sizeof from);
  each_lane(w.active, [&](int lane) {
    for (int e = 0; e < 2; ++e) {
      const uint32_t r = column_of(lane, e, false), c = row_of(lane, e, false);
      to[2 * lane + e] = from[2 * (r * 4 + c / 2) + c % 2];
    }
  });
  return ip + 1;
}

}  // namespace

void register_matrix(Registry& r) {
  r.add("mma", "", multiply);
  r.add("wmma.transfer", "", transfer);
  r.add("matrices", "", matrices);
  r.add("movmatrix.sync.aligned.m8n8.trans.b16", "=ww", transpose);
}

}  // namespace softgpu
