// SPDX-License-Identifier: BSD-3-Clause
// mma, wmma, ldmatrix and stmatrix.
#include "engine/decoder.h"
#include "engine/matrix.h"

namespace softgpu {
namespace {

const std::vector<Operand>& items_of(const Operand& o, std::vector<Operand>* single) {
  if (o.kind == Operand::Kind::vector) return o.items;
  single->assign(1, o);
  return *single;
}

}  // namespace

// Appends the registers of a fragment.
void Decoder::append_fragment(const Operand& o, const Fragment& f, bool written,
                              std::vector<uint32_t>* wide) {
  std::vector<Operand> single;
  const std::vector<Operand>& items = items_of(o, &single);
  if (items.size() != f.registers())
    fail("a fragment of " + std::to_string(items.size()) + " registers, where " +
         std::to_string(f.registers()) + " belong");
  const char letter = f.register_bytes() == 8 ? 'l' : 'w';
  for (const Operand& item : items) wide->push_back(written ? target(item, letter) : source(item, letter));
}

// mma.sync.aligned.SHAPE.row.col.D.A.B.C; wmma.mma.sync.aligned.row.col.SHAPE.D.C for halves, .D.A.B.C for
// others
void Decoder::decode_mma() {
  if (s_->opcode == "wmma" && !has("mma")) return decode_wmma_access();
  std::string shape;
  std::vector<Element> elements;
  MatrixProduct product;
  bool layouts = false;
  for (const std::string& m : s_->modifiers) {
    Element element;
    if (parse_element(m, &element))
      elements.push_back(element);
    else if (m[0] == 'm' && m.size() > 1 && m[1] >= '0' && m[1] <= '9')
      shape = m;
    else if (m == "satfinite")
      product.saturate = true;
    else if (m == "row" || m == "col")
      layouts = true;
    else if (m != "mma" && m != "sync" && m != "aligned" && m != "rn")
      fail("unknown or unsupported modifier '." + m + "'");
  }
  if (elements.size() == 2) elements = {elements[0], Element::f16, Element::f16, elements[1]};
  if (elements.size() != 4 || !layouts || s_->operands.size() != 4) fail("malformed matrix instruction");
  const auto form = s_->opcode == "wmma" ? wmma_fragment : mma_fragment;
  if (!form(shape, Operand3::c, elements[0], &product.d) ||
      !form(shape, Operand3::a, elements[1], &product.a) ||
      !form(shape, Operand3::b, elements[2], &product.b) ||
      !form(shape, Operand3::c, elements[3], &product.c))
    fail("unsupported shape or format");
  std::vector<uint32_t> wide;
  append_fragment(s_->operands[0], product.d, true, &wide);
  const size_t defines = wide.size();
  append_fragment(s_->operands[1], product.a, false, &wide);
  append_fragment(s_->operands[2], product.b, false, &wide);
  append_fragment(s_->operands[3], product.c, false, &wide);
  emit_wide("mma", std::move(wide), defines, 0).ins.imm = reinterpret_cast<int64_t>(keep(std::move(product)));
}

// wmma.load.a.sync.aligned.LAYOUT.SHAPE[.SPACE].TYPE r, [p][, stride]; wmma.store.d... [p], r[, stride]
void Decoder::decode_wmma_access() {
  MatrixAccess access;
  std::string shape, space;
  Operand3 which = Operand3::c;
  Element element = Element::f16;
  for (const std::string& m : s_->modifiers) {
    if (m == "a" || m == "b")
      which = m == "a" ? Operand3::a : Operand3::b;
    else if (m == "store")
      access.stores = true;
    else if (m == "col")
      access.by_columns = true;
    else if (m == "global" || m == "shared" || m == "shared::cta")
      space = m == "global" ? m : "shared";
    else if (m[0] == 'm' && m.size() > 1)
      shape = m;
    else if (!parse_element(m, &element) && m != "load" && m != "sync" && m != "aligned" && m != "row" &&
             m != "c" && m != "d")
      fail("unknown or unsupported modifier '." + m + "'");
  }
  const std::vector<Operand>& operands = s_->operands;
  if (operands.size() < 2 || operands.size() > 3 || !wmma_fragment(shape, which, element, &access.fragment))
    fail("unsupported shape or format");
  const Fragment& f = access.fragment;
  const Address a = address(operands[access.stores ? 0 : 1], space);
  if (a.operand == kNoOperand || a.kind.rfind("local", 0) == 0 || a.kind.rfind("param", 0) == 0)
    fail("a matrix in this state space");
  access.in_shared = a.kind.rfind("shared", 0) == 0;
  access.wide_address = a.kind != "shared32";
  std::vector<uint32_t> wide;
  append_fragment(operands[access.stores ? 1 : 0], f, !access.stores, &wide);
  const size_t defines = access.stores ? 0 : wide.size();
  wide.push_back(a.operand);
  wide.push_back(operands.size() == 3 ? source(operands[2], 'w')
                                      : pool_->value(access.by_columns ? f.rows : f.columns, 4));
  wide.push_back(pool_->value(static_cast<uint64_t>(a.imm), 8));
  emit_wide("wmma.transfer", std::move(wide), defines, 0).ins.imm =
      reinterpret_cast<int64_t>(keep(std::move(access)));
}

// ldmatrix.sync.aligned.m8n8.COUNT[.trans][.shared].b16 r, [p]; stmatrix ... [p], r
void Decoder::decode_ldmatrix() {
  const bool stores = s_->opcode == "stmatrix";
  uint32_t count = 0;
  for (const std::string& m : s_->modifiers) {
    if (m == "x1" || m == "x2" || m == "x4")
      count = static_cast<uint32_t>(m[1] - '0');
    else if (m != "sync" && m != "aligned" && m != "m8n8" && m != "trans" && m != "shared" &&
             m != "shared::cta" && m != "b16")
      fail("unknown or unsupported modifier '." + m + "'");
  }
  if (count == 0 || !has("m8n8") || s_->operands.size() != 2) fail("unsupported form");
  const Address a = address(s_->operands[stores ? 0 : 1], "shared");
  std::vector<Operand> single;
  const std::vector<Operand>& items = items_of(s_->operands[stores ? 1 : 0], &single);
  if (items.size() != count) fail("the vector has the wrong length");
  std::vector<uint32_t> wide;
  for (const Operand& item : items) wide.push_back(stores ? source(item, 'w') : target(item, 'w'));
  wide.push_back(a.operand);
  const uint32_t aux = (has("trans") ? kTransposed : 0) | (stores ? kStoresMatrices : 0) |
                       (a.kind == "shared64" ? kWideAddress : 0) | count << kMatricesShift;
  emit_wide("matrices", std::move(wide), stores ? 0 : count, aux).ins.imm = a.imm;
}

}  // namespace softgpu
