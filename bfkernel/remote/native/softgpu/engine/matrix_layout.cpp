// SPDX-License-Identifier: BSD-3-Clause
// Which lane holds which element of a matrix.
#include <charconv>
#include <deque>
#include <mutex>

#include "engine/ir.h"
#include "engine/matrix.h"

namespace softgpu {
namespace {

struct Shape {
  uint32_t m = 0, n = 0, k = 0;
};

// "m16n8k16"
bool parse_shape(const std::string& text, Shape* out) {
  const char* at = text.data();
  const char* end = at + text.size();
  for (const auto& [letter, size] : {std::pair{'m', &out->m}, {'n', &out->n}, {'k', &out->k}}) {
    if (at == end || *at++ != letter) return false;
    const auto [rest, error] = std::from_chars(at, end, *size);
    if (error != std::errc{}) return false;
    at = rest;
  }
  return at == end && out->m > 0 && out->m <= 64 && out->n > 0 && out->n <= 64 && out->k > 0 && out->k <= 64;
}

Fragment fragment(const Shape& s, Operand3 which, Element element) {
  Fragment f;
  f.element = element;
  f.rows = which == Operand3::b ? s.k : s.m;
  f.columns = which == Operand3::a ? s.k : s.n;
  return f;
}

// Lanes stand in eight groups of four. Each lane of a group holds `run` neighbours along the inner dimension
// (k, or the columns of c); what does not fit into one such tile goes to the next: further along for b, and
// for a and c first eight rows down, then further along.
struct Tile {
  uint32_t run;
};

uint16_t place_of(const Fragment& f, Operand3 which, Tile tile, uint32_t lane, uint32_t slot) {
  const uint32_t group = lane / 4, member = lane % 4;
  const uint32_t within = slot % tile.run;
  const uint32_t number = slot / tile.run;
  const uint32_t inner = member * tile.run + within;
  uint32_t row, column;
  if (which == Operand3::b) {
    row = inner + number * 4 * tile.run;
    column = group;
  } else {
    const uint32_t down = f.rows / 8;
    row = group + number % down * 8;
    column = inner + number / down * 4 * tile.run;
  }
  return static_cast<uint16_t>(row * f.columns + column);
}

bool known_mma(const Shape& s, Element e) {
  struct Known {
    uint32_t m, n, k;
  };
  const auto is = [&](std::initializer_list<Known> list) {
    for (const Known& known : list) {
      if (known.m == s.m && known.n == s.n && known.k == s.k) return true;
    }
    return false;
  };
  switch (e) {
    case Element::f16:
    case Element::bf16:
      return is({{16, 8, 8}, {16, 8, 16}});
    case Element::tf32:
      return is({{16, 8, 4}, {16, 8, 8}});
    case Element::f64:
      return is({{8, 8, 4}});
    case Element::s8:
    case Element::u8:
      return is({{8, 8, 16}, {16, 8, 16}, {16, 8, 32}});
    default:  // c and d: whatever a and b have
      return is({{16, 8, 4}, {16, 8, 8}, {16, 8, 16}, {8, 8, 16}, {16, 8, 32}});
  }
}

}  // namespace

size_t element_bits(Element element) {
  switch (element) {
    case Element::s8:
    case Element::u8:
      return 8;
    case Element::f16:
    case Element::bf16:
      return 16;
    case Element::f64:
      return 64;
    default:
      return 32;
  }
}

bool parse_element(const std::string& name, Element* out) {
  static const std::map<std::string, Element> names = {
      {"f16", Element::f16}, {"bf16", Element::bf16}, {"tf32", Element::tf32}, {"f32", Element::f32},
      {"f64", Element::f64}, {"s8", Element::s8},     {"u8", Element::u8},     {"s32", Element::s32}};
  const auto it = names.find(name);
  if (it == names.end()) return false;
  *out = it->second;
  return true;
}

uint32_t Fragment::per_register() const {
  return element == Element::f64 ? 1 : static_cast<uint32_t>(32 / element_bits(element));
}

bool mma_fragment(const std::string& text, Operand3 which, Element element, Fragment* out) {
  Shape shape;
  if (!parse_shape(text, &shape) || !known_mma(shape, element)) return false;
  *out = fragment(shape, which, element);
  out->slots = out->rows * out->columns / kLanes;
  // Neighbours that share a register stay together; those of c come in pairs, whatever their format.
  const Tile tile{which == Operand3::c ? 2 : out->per_register()};
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    for (uint32_t slot = 0; slot < out->slots; ++slot)
      out->place.push_back(place_of(*out, which, tile, lane, slot));
  }
  return true;
}

bool wmma_fragment(const std::string& text, Operand3 which, Element element, Fragment* out) {
  Shape shape;
  if (!parse_shape(text, &shape)) return false;
  *out = fragment(shape, which, element);
  const uint32_t count = out->rows * out->columns;
  // The number of registers is part of PTX: halves of a and b have eight, though some hold nothing new.
  const bool half = element == Element::f16 && which != Operand3::c;
  out->slots = half ? 16 : count / kLanes;
  if (out->slots == 0 || out->slots % out->per_register() != 0 || (out->slots * kLanes) % count != 0)
    return false;
  for (uint32_t i = 0; i < out->slots * kLanes; ++i) out->place.push_back(static_cast<uint16_t>(i % count));
  return true;
}

namespace {

template <class T>
const T* keep_forever(T item) {
  static std::mutex mutex;
  static auto* kept = new std::deque<T>;
  const std::lock_guard lock(mutex);
  return &kept->emplace_back(std::move(item));
}

}  // namespace

const MatrixProduct* keep(MatrixProduct product) { return keep_forever(std::move(product)); }
const MatrixAccess* keep(MatrixAccess access) { return keep_forever(std::move(access)); }

}  // namespace softgpu
