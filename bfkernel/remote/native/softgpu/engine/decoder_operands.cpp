// SPDX-License-Identifier: BSD-3-Clause
// Operands: registers, constants, addresses, special registers.
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/decoder.h"
#include "engine/numeric.h"
#include "engine/special.h"

namespace softgpu {

uint32_t ConstantPool::append(uint64_t bits, uint32_t bytes) {
  std::vector<uint8_t>& pool = program_->constants;
  const size_t at = pool.size();
  pool.resize(at + bytes * kLanes);
  for (int i = 0; i < kLanes; ++i)
    std::memcpy(pool.data() + at + static_cast<size_t>(i) * bytes, &bits, std::min(bytes, 8u));
  return static_cast<uint32_t>(at) | kInConstants;
}

uint32_t ConstantPool::value(uint64_t bits, uint32_t bytes) {
  if (bytes < 8) bits &= (1ull << (8 * bytes)) - 1;
  const auto [it, fresh] = values_.try_emplace({bits, bytes}, 0);
  if (fresh) it->second = append(bits, bytes);
  return it->second;
}

uint32_t ConstantPool::address(Relocation::Kind kind, int index, int64_t addend) {
  const auto [it, fresh] = addresses_.try_emplace({static_cast<int>(kind), index, addend}, 0);
  if (fresh) {
    it->second = append(0, 8);
    Relocation r;
    r.at = it->second & ~3u;
    r.kind = kind;
    r.index = index;
    r.addend = addend;
    program_->constant_relocations.push_back(r);
  }
  return it->second;
}

uint32_t Decoder::width(char letter) {
  switch (letter) {
    case 'h':
    case 'x':
    case 'b':
      return 2;
    case 'l':
    case 'e':
      return 8;
    case 'q':
      return 16;
    default:
      return 4;
  }
}

uint32_t Decoder::register_bytes(uint32_t operand) const { return registers_[operand / 4].bytes; }

uint32_t Decoder::constant(const Operand& o, char letter) {
  uint64_t bits = o.bits;
  if (o.kind != Operand::Kind::integer) {
    const double value = o.kind == Operand::Kind::real64
                             ? std::bit_cast<double>(o.bits)
                             : double{std::bit_cast<float>(static_cast<uint32_t>(o.bits))};
    switch (letter) {
      case 'f':
      case 'w':
        if (o.kind == Operand::Kind::real64) bits = std::bit_cast<uint32_t>(static_cast<float>(value));
        break;
      case 'e':
      case 'l':
        bits = std::bit_cast<uint64_t>(value);
        break;
      case 'x':
      case 'h':
        bits = f16_from_double(value, kRoundNearest);
        break;
      case 'b':
        bits = bf16_from_double(value, kRoundNearest);
        break;
      default:
        fail("a floating constant where an integer belongs");
    }
  } else if (letter == 'f') {
    bits = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int64_t>(o.bits)));
  } else if (letter == 'e') {
    bits = std::bit_cast<uint64_t>(static_cast<double>(static_cast<int64_t>(o.bits)));
  }
  if (letter == 'p') bits = o.bits != 0 ? ~0u : 0;
  return pool_->value(bits, width(letter));
}

uint32_t Decoder::predicate(const std::string& name, bool negated) {
  const auto r = find_register(name);
  if (!r) fail("unknown predicate '" + name + "'");
  if (!negated) return *r;
  const uint32_t t = new_register(4);
  emit("not.pred", {t}, {*r});
  return t;
}

uint32_t Decoder::source(const Operand& o, char letter) {
  if (o.kind == Operand::Kind::integer || o.kind == Operand::Kind::real32 || o.kind == Operand::Kind::real64)
    return constant(o, letter);
  if (o.kind != Operand::Kind::name) fail("an operand of the wrong kind");
  const std::string full = o.component.empty() ? o.name : o.name + "." + o.component;
  if (letter == 'p') return predicate(full, o.negated);
  if (const auto r = find_register(full)) {
    if (o.negated) fail("an operand that is negated");
    if (register_bytes(*r) != width(letter))
      fail("operand '" + full + "' has " + std::to_string(8 * register_bytes(*r)) +
           " bits, the instruction wants " + std::to_string(8 * width(letter)));
    return *r;
  }
  if (o.name[0] == '%') return special(o, width(letter));
  return address_of(o.name, o.offset, width(letter));
}

uint32_t Decoder::target(const Operand& o, char letter) {
  if (o.kind == Operand::Kind::sink) return new_register(width(letter));
  if (o.kind != Operand::Kind::name) fail("a destination that is no register");
  const std::string full = o.component.empty() ? o.name : o.name + "." + o.component;
  if (full == "_") return new_register(width(letter));
  const auto r = find_register(full);
  if (!r) fail("unknown register '" + full + "'");
  if (register_bytes(*r) != width(letter))
    fail("destination '" + full + "' has " + std::to_string(8 * register_bytes(*r)) +
         " bits, the instruction gives " + std::to_string(8 * width(letter)));
  return *r;
}

// A special register is read into a fresh register where it is used.
uint32_t Decoder::special(const Operand& o, uint32_t bytes) {
  const std::string name = o.component.empty() ? o.name : o.name + "." + o.component;
  const SpecialRegister* s = special_by_name(name);
  if (s == nullptr) fail("unknown register '" + name + "'");
  const uint32_t t = new_register(s->bytes);
  emit(s->bytes == 8 ? "special.64" : "special.32", {t}, {}, static_cast<uint32_t>(s->id));
  if (bytes == s->bytes) return t;
  const uint32_t resized = new_register(bytes);
  emit("resize." + std::to_string(8 * bytes) + "." + std::to_string(8 * s->bytes) +
           (bytes == 2 ? ".u16" : ".u32"),
       {resized}, {t});
  return resized;
}

uint32_t Decoder::address_of(const std::string& name, int64_t offset, uint32_t bytes) {
  if (bytes < 4) fail("the address of '" + name + "' does not fit");
  if (const Local* local = find_local(name)) {
    if (local->space == Space::shared)
      return pool_->value(local->shared + static_cast<uint64_t>(offset), bytes);
    const uint64_t at = local->offset + static_cast<uint64_t>(offset);
    if (out_->entry) return pool_->value(at, bytes);
    const uint32_t t = new_register(bytes);
    emit(bytes == 8 ? "local.64" : "local.32", {t}, {}).ins.imm = static_cast<int64_t>(at);
    return t;
  }
  const Symbol& s = symbol(name);
  switch (s.kind) {
    case Symbol::Kind::shared:
      return pool_->value(s.offset + static_cast<uint64_t>(offset), bytes);
    case Symbol::Kind::dynamic_shared:
      return pool_->value(linker_.dynamic_shared_base() + static_cast<uint64_t>(offset), bytes);
    case Symbol::Kind::global:
      if (bytes != 8) fail("the address of '" + name + "' needs a 64-bit register");
      return pool_->address(Relocation::Kind::global, s.index, offset);
    case Symbol::Kind::function:
      return pool_->value(kFunctionWindow + 16 * (static_cast<uint64_t>(s.index) + 1), bytes);
    case Symbol::Kind::builtin:
      fail("the address of '" + name + "' cannot be taken");
  }
  fail("unresolved symbol '" + name + "'");
}

uint32_t Decoder::widen(uint32_t operand) {
  const uint32_t t = new_register(8);
  emit("resize.64.32.u32", {t}, {operand});
  return t;
}

// kind: the addressing part of a memory handler's key. `space` may be empty (generic).
Decoder::Address Decoder::address(const Operand& o, const std::string& space) {
  if (o.kind != Operand::Kind::address) fail("an operand that should be an address in [ ]");
  if (!o.items.empty()) fail("an address of more than one part");
  Address a;
  const bool shared = space == "shared";
  const bool local = space == "local";
  if (o.name.empty()) {
    a.operand = pool_->value(static_cast<uint64_t>(o.offset), 8);
    a.kind = shared ? "shared64" : local ? "local64" : space == "param" && out_->entry ? "param64" : "global";
    return a;
  }
  if (const auto r = find_register(o.name)) {
    a.operand = *r;
    a.imm = o.offset;
    const uint32_t bytes = register_bytes(*r);
    if (bytes != 4 && bytes != 8) fail("an address register must have 32 or 64 bits");
    const std::string bits = bytes == 4 ? "32" : "64";
    if (shared || local) {
      a.kind = (shared ? "shared" : "local") + bits;
    } else {
      if (bytes == 4) a.operand = widen(*r);
      a.kind = space == "param" ? (out_->entry ? "param64" : "local64") : "global";
    }
    return a;
  }
  if (const Local* v = find_local(o.name)) {
    if (v->entry_param) {
      a.kind = "param";
      a.imm = static_cast<int64_t>(v->offset) + o.offset;
      if (a.imm < 0 || o.offset < 0 || static_cast<uint64_t>(o.offset) >= std::max<uint64_t>(v->size, 1))
        fail("an offset outside of parameter '" + o.name + "'");
      return a;
    }
    a.operand = address_of(o.name, o.offset, 8);
    a.kind = v->space == Space::shared ? "shared64" : "local64";
    return a;
  }
  a.operand = address_of(o.name, o.offset, 8);
  const Symbol& s = symbol(o.name);
  a.kind = s.kind == Symbol::Kind::shared || s.kind == Symbol::Kind::dynamic_shared ? "shared64" : "global";
  return a;
}

}  // namespace softgpu
