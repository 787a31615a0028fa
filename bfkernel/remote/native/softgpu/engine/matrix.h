// SPDX-License-Identifier: BSD-3-Clause
// Matrix instructions of a warp: which lane holds which element, and in what format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace softgpu {

enum class Element : uint8_t { f16, bf16, tf32, f32, f64, s8, u8, s32 };

size_t element_bits(Element element);
bool parse_element(const std::string& name, Element* out);

// One matrix, spread over a warp: slot s of lane l holds element place[l * slots + s], counted row by row.
struct Fragment {
  Element element = Element::f32;
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t slots = 0;  // elements a lane
  std::vector<uint16_t> place;

  uint32_t per_register() const;
  uint32_t registers() const { return slots / per_register(); }
  uint32_t register_bytes() const { return element == Element::f64 ? 8 : 4; }
};

// d = a * b + c
struct MatrixProduct {
  Fragment a, b, c, d;
  bool saturate = false;  // integers: clamp instead of wrapping round
};

// A fragment between registers and memory.
struct MatrixAccess {
  Fragment fragment;
  bool by_columns = false;
  bool in_shared = false;  // the address is one of shared memory, not a generic one
  bool wide_address = true;
  bool stores = false;
};

enum class Operand3 : uint8_t { a, b, c };  // c stands for d as well

// The fragments of mma.sync, laid out as the PTX manual says. Null where there is no such shape.
bool mma_fragment(const std::string& shape, Operand3 which, Element element, Fragment* out);
// Those of wmma, whose layout is nobody's business but ours.
bool wmma_fragment(const std::string& shape, Operand3 which, Element element, Fragment* out);

// Instr::aux of ldmatrix and stmatrix: these, and the number of matrices above them.
constexpr uint32_t kTransposed = 1, kStoresMatrices = 2, kWideAddress = 4, kMatricesShift = 4;

// Kept for the life of the process, so that instructions can point to them.
const MatrixProduct* keep(MatrixProduct product);
const MatrixAccess* keep(MatrixAccess access);

}  // namespace softgpu
