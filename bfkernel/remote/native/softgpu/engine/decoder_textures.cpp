// SPDX-License-Identifier: BSD-3-Clause
// Textures and surfaces, by handle ("bindless"), as every compiler since CUDA 5 makes them.
#include "engine/decoder.h"
#include "engine/texture_code.h"

namespace softgpu {

// "a2d": how many coordinates an image of that geometry has.
struct Decoder::Shape {
  uint32_t dimensions = 1;
  bool layered = false;
  bool cube = false;
  size_t coordinates() const { return cube ? 3 : dimensions; }
};

Decoder::Shape Decoder::shape_of(const std::string& geometry) const {
  static const std::map<std::string, Shape> shapes = {
      {"1d", {1, false, false}},  {"2d", {2, false, false}}, {"3d", {3, false, false}},
      {"a1d", {1, true, false}},  {"a2d", {2, true, false}}, {"cube", {2, false, true}},
      {"acube", {2, true, true}},
  };
  const auto it = shapes.find(geometry);
  if (it == shapes.end()) fail("unknown or unsupported geometry '." + geometry + "'");
  return it->second;
}

// [handle, {x, y}]: appends the handle and returns the place.
const Operand& Decoder::handle_and_place(const Operand& o, std::vector<uint32_t>* wide) {
  if (o.kind != Operand::Kind::address || o.items.size() > 1 || o.offset != 0)
    fail("textures with a sampler of their own are not supported");
  const auto handle = find_register(o.name);
  if (!handle || register_bytes(*handle) != 8) fail("a texture or surface must be a 64-bit handle");
  wide->push_back(*handle);
  return o.items.empty() ? o : o.items[0];
}

void Decoder::append_items(const Operand& o, size_t count, char letter, std::vector<uint32_t>* wide) {
  const std::vector<Operand> items = o.kind == Operand::Kind::vector ? o.items : std::vector<Operand>{o};
  if (items.size() < count) fail("too few coordinates");
  for (size_t k = 0; k < count; ++k) wide->push_back(source(items[k], letter));
}

// Vectors of three are written as four; what is too many is padding.
void Decoder::append_place(const Operand& place, const Shape& shape, char letter,
                           std::vector<uint32_t>* wide) {
  if (!shape.layered) return append_items(place, shape.coordinates(), letter, wide);
  if (place.kind != Operand::Kind::vector || place.items.size() < shape.coordinates() + 1)
    fail("too few coordinates");
  wide->push_back(source(place.items[0], 'w'));
  for (size_t k = 1; k <= shape.coordinates(); ++k) wide->push_back(source(place.items[k], letter));
}

Draft& Decoder::emit_wide(const std::string& key, std::vector<uint32_t> wide, size_t defines, uint32_t aux) {
  Draft& draft = emit(key, {}, {}, aux);
  draft.wide = std::move(wide);
  draft.wide_defines = defines;
  return draft;
}

// tex[.level|.grad].GEOMETRY.v4.TYPE.TYPE d, [a, c], ...; tld4.CHANNEL.2d.v4.TYPE.f32 d, [a, c]
void Decoder::decode_texture() {
  const std::vector<std::string>& m = s_->modifiers;
  const std::vector<Operand>& operands = s_->operands;
  TextureCode code;
  size_t k = 0;
  if (s_->opcode == "tld4") {
    const size_t channel = m.empty() || m[0].size() != 1 ? std::string::npos : std::string("rgba").find(m[0]);
    if (channel == std::string::npos) fail("unknown channel");
    code.gather = 1;
    code.channel = channel & 3;
    k = 1;
  } else if (!m.empty() && (m[0] == "level" || m[0] == "grad")) {
    code.level = m[0] == "level";
    code.gradient = m[0] == "grad";
    k = 1;
  }
  if (m.size() != k + 4 || operands.size() < 2) fail("malformed texture instruction");
  const Shape shape = shape_of(m[k]);
  code.dimensions = shape.dimensions & 3;
  code.layered = shape.layered;
  code.cube = shape.cube;
  Type result, coordinate;
  if (m[k + 1] != "v4" || !parse_type(m[k + 2], &result) || result.bits != 32 || result.packed)
    fail("results other than four of 32 bits are not supported");
  if (!parse_type(m[k + 3], &coordinate) || coordinate.bits != 32) fail("unknown type of coordinates");
  code.integral = !coordinate.is_float();
  const char letter = code.integral ? 'w' : 'f';

  std::vector<uint32_t> wide;
  if (operands[0].kind != Operand::Kind::vector || operands[0].items.size() != 4)
    fail("the result must be a vector of four");
  for (const Operand& part : operands[0].items) wide.push_back(target(part, 'w'));
  if (!operands[0].pair.empty()) {
    code.predicate = 1;
    Operand predicate;
    predicate.kind = operands[0].pair == "_" ? Operand::Kind::sink : Operand::Kind::name;
    predicate.name = operands[0].pair;
    wide.push_back(target(predicate, 'p'));
  }
  const size_t defines = wide.size();
  append_place(handle_and_place(operands[1], &wide), shape, letter, &wide);
  size_t next = 2;
  const auto more = [&]() -> const Operand& {
    if (next >= operands.size()) fail("too few operands");
    return operands[next++];
  };
  if (code.level) wide.push_back(source(more(), letter));
  for (int axis = 0; code.gradient && axis < 2; ++axis) append_items(more(), shape.coordinates(), 'f', &wide);
  if (next < operands.size()) {
    if (shape.cube || (operands[next].kind != Operand::Kind::vector && shape.dimensions > 1))
      fail("comparing depths is not supported");
    code.offset = 1;
    append_items(operands[next++], shape.coordinates(), 'w', &wide);
  }
  if (next != operands.size()) fail("too many operands");
  emit_wide("tex", std::move(wide), defines, packed(code));
}

// txq[.level].QUERY.b32 d, [a][, level]; suq.QUERY.b32 d, [a]
void Decoder::decode_texture_query() {
  static const std::map<std::string, TextureQuery> queries = {
      {"width", TextureQuery::width},
      {"height", TextureQuery::height},
      {"depth", TextureQuery::depth},
      {"array_size", TextureQuery::layers},
      {"num_mipmap_levels", TextureQuery::levels},
      {"num_samples", TextureQuery::samples},
      {"normalized_coords", TextureQuery::normalized},
  };
  const std::vector<std::string>& m = s_->modifiers;
  const bool level = !m.empty() && m[0] == "level";
  if (m.size() != (level ? 3u : 2u) || s_->operands.size() != (level ? 3u : 2u)) fail("malformed query");
  const auto query = queries.find(m[level ? 1 : 0]);
  if (query == queries.end()) fail("unknown or unsupported query");
  std::vector<uint32_t> handle;
  handle_and_place(s_->operands[1], &handle);
  const uint32_t at = level ? source(s_->operands[2], 'w') : pool_->value(0, 4);
  emit(s_->opcode, {target(s_->operands[0], 'w')}, {handle[0], at}, static_cast<uint32_t>(query->second));
}

namespace {

bool clamp_of(const std::string& word, SurfaceCode* code) {
  static const std::map<std::string, SurfaceClamp> words = {
      {"trap", SurfaceClamp::trap}, {"clamp", SurfaceClamp::clamp}, {"zero", SurfaceClamp::zero}};
  const auto it = words.find(word);
  if (it == words.end()) return false;
  code->clamp = static_cast<uint32_t>(it->second) & 3;
  return true;
}

bool is_cache_hint(const std::string& word) {
  return word == "ca" || word == "cg" || word == "cs" || word == "cv" || word == "wb" || word == "wt";
}

}  // namespace

// suld.b.GEOMETRY[.CACHE][.VECTOR].TYPE.CLAMP d, [a, c]; sust.b or .p ... [a, c], v
void Decoder::decode_surface() {
  const bool loads = s_->opcode == "suld";
  const std::vector<std::string>& m = s_->modifiers;
  if (m.size() < 4 || s_->operands.size() != 2) fail("malformed surface instruction");
  SurfaceCode code;
  code.formatted = m[0] == "p";
  if (m[0] != "b" && (loads || !code.formatted)) fail("unknown or unsupported modifier '." + m[0] + "'");
  const Shape shape = shape_of(m[1]);
  if (shape.cube) fail("surfaces are addressed by layer, not by face");
  code.dimensions = shape.dimensions & 3;
  code.layered = shape.layered;
  Type type;
  for (size_t i = 2; i < m.size(); ++i) {
    if (m[i] == "v2")
      code.vector = 2;
    else if (m[i] == "v4")
      code.vector = 4;
    else if (!clamp_of(m[i], &code) && !is_cache_hint(m[i]) && !parse_type(m[i], &type))
      fail("unknown or unsupported modifier '." + m[i] + "'");
  }
  if (type.bits > 64 || type.packed || (code.formatted && type.bits != 32)) fail("unsupported type");
  code.bytes = static_cast<uint32_t>(type.bytes()) & 15;
  const char letter = type.bits <= 16 ? 'h' : type.bits == 32 ? 'w' : 'l';
  const Operand& value = s_->operands[loads ? 0 : 1];
  const std::vector<Operand> parts =
      value.kind == Operand::Kind::vector ? value.items : std::vector<Operand>{value};
  if (parts.size() != code.vector) fail("the vector has the wrong length");
  std::vector<uint32_t> wide;
  for (const Operand& part : parts) wide.push_back(loads ? target(part, letter) : source(part, letter));
  append_place(handle_and_place(s_->operands[loads ? 1 : 0], &wide), shape, 'w', &wide);
  const std::string key = loads ? "suld" : code.formatted ? "sust.p" : "sust.b";
  emit_wide(key, std::move(wide), loads ? parts.size() : 0, packed(code));
}

// sured.b or .p.OPERATION.GEOMETRY.TYPE.CLAMP [a, c], v
void Decoder::decode_surface_reduction() {
  static const std::map<std::string, SurfaceOp> operations = {{"add", SurfaceOp::add},
                                                              {"min", SurfaceOp::min},
                                                              {"max", SurfaceOp::max},
                                                              {"and", SurfaceOp::conjunction},
                                                              {"or", SurfaceOp::disjunction}};
  const std::vector<std::string>& m = s_->modifiers;
  if (m.size() != 5 || s_->operands.size() != 2) fail("malformed surface instruction");
  const auto op = operations.find(m[1]);
  SurfaceCode code;
  Type type;
  if ((m[0] != "b" && m[0] != "p") || op == operations.end() || !parse_type(m[3], &type) ||
      !clamp_of(m[4], &code) || (type.bits != 32 && type.bits != 64))
    fail("unknown or unsupported modifier");
  const Shape shape = shape_of(m[2]);
  code.formatted = m[0] == "p";
  code.dimensions = shape.dimensions & 3;
  code.layered = shape.layered;
  code.bytes = static_cast<uint32_t>(type.bytes()) & 15;
  code.op = static_cast<uint32_t>(op->second) & 7;
  code.is_signed = type.is_signed();
  std::vector<uint32_t> wide;
  append_items(s_->operands[1], 1, type.bits == 32 ? 'w' : 'l', &wide);
  append_place(handle_and_place(s_->operands[0], &wide), shape, 'w', &wide);
  emit_wide("sured", std::move(wide), 0, packed(code));
}

}  // namespace softgpu
