// SPDX-License-Identifier: BSD-3-Clause
// Arithmetic, comparison, selection and conversion.
#include <set>

#include "engine/convert.h"
#include "engine/decoder.h"
#include "engine/flags.h"

namespace softgpu {

// mov, with packing and unpacking of vectors.
void Decoder::decode_mov() {
  if (s_->operands.size() != 2) fail("mov takes two operands");
  const Operand& d = s_->operands[0];
  const Operand& a = s_->operands[1];
  const Type type = last_type();
  if (a.kind == Operand::Kind::vector || d.kind == Operand::Kind::vector) {
    const Operand& v = a.kind == Operand::Kind::vector ? a : d;
    const auto parts = static_cast<uint32_t>(v.items.size());
    const auto total = static_cast<uint32_t>(type.bytes());
    if ((parts != 2 && parts != 4) || total / parts < 2) fail("a vector of this shape");
    const char part = total / parts == 2 ? 'h' : total / parts == 4 ? 'w' : 'l';
    const char whole = total == 4 ? 'w' : total == 8 ? 'l' : 'q';
    const std::string shape = std::to_string(8 * total) + "." + std::to_string(8 * total / parts);
    if (&v == &a) {
      std::vector<uint32_t> in;
      for (const Operand& item : v.items) in.push_back(source(item, part));
      const uint32_t out = target(d, whole);
      if (parts == 2)
        emit("pack." + shape, {out}, {in[0], in[1]});
      else
        emit("pack." + shape, {out}, {in[0], in[1], in[2], in[3]});
    } else {
      const uint32_t in = source(a, whole);
      std::vector<uint32_t> out;
      for (const Operand& item : v.items) out.push_back(target(item, part));
      if (parts == 2)
        emit("unpack." + shape, {out[0], out[1]}, {in});
      else
        emit("unpack." + shape, {out[0], out[1], out[2], out[3]}, {in});
    }
    return;
  }
  if (type.kind == 'p') return bind("mov.pred");
  const bool real = type.is_float() && !type.packed;
  const uint32_t bytes = static_cast<uint32_t>(type.bytes());
  const char letter = bytes == 2   ? (real ? 'x' : 'h')
                      : bytes == 4 ? (real ? 'f' : 'w')
                      : bytes == 8 ? (real ? 'e' : 'l')
                                   : 'q';
  if (bytes < 2) fail("mov of 8 bits");
  const uint32_t in = source(a, letter);
  emit("mov.b" + std::to_string(8 * bytes), {target(d, letter)}, {in});
}

// Everything whose type may be floating. Integers go by their mnemonic.
void Decoder::decode_real() {
  const Type type = last_type();
  if (!type.is_float()) return decode_plain();
  static const std::map<std::string, uint32_t> known = {
      {"rn", kRoundNearest}, {"rz", kRoundZero}, {"rm", kRoundDown}, {"rp", kRoundUp},
      {"ftz", kFtz},         {"sat", kSaturate}, {"relu", kRelu},    {"NaN", kNan},
      {"approx", kApprox},   {"full", kApprox},  {"noftz", 0},       {"oob", kOutOfBounds}};
  uint32_t flags = 0;
  for (size_t i = 0; i + 1 < s_->modifiers.size(); ++i) {
    const std::string& m = s_->modifiers[i];
    if (m == "xorsign") {
      flags |= kXorsign;
    } else if (m == "abs" && (flags & kXorsign)) {
      continue;
    } else if (const auto it = known.find(m); it != known.end()) {
      flags |= it->second;
    } else {
      fail("unknown or unsupported modifier '." + m + "'");
    }
  }
  const std::string op = s_->opcode == "mad" ? "fma" : s_->opcode;
  const std::string& t = s_->modifiers.back();
  static const std::set<std::string> by_flags = {"min", "max"};
  static const std::set<std::string> rounded = {"add", "sub", "mul", "fma", "div", "rcp", "sqrt", "rsqrt"};
  flags &= ~static_cast<uint32_t>(kApprox);
  if (type.bits == 16 || type.packed || by_flags.count(op) != 0 ||
      (rounded.count(op) == 0 && op != "abs" && op != "neg"))
    return bind(op + "." + t, flags);
  if (flags == kFtz && t == "f64") flags = 0;  // rcp.approx.ftz.f64
  if (flags == 0) return bind(op + "." + t);
  if (flags == kFtz) return bind(op + ".ftz." + t);
  bind(op + ".any." + t, flags);
}

namespace {

// lo, ls, hi, hs are the unsigned forms of lt, le, gt, ge.
std::string canonical_comparison(const std::string& c) {
  if (c == "lo") return "lt";
  if (c == "ls") return "le";
  if (c == "hi") return "gt";
  if (c == "hs") return "ge";
  return c;
}

char letter_of(const Type& t) {
  if (t.kind == 'f' && !t.packed) return t.bits == 16 ? 'x' : t.bits == 32 ? 'f' : 'e';
  if (t.kind == 'g' && !t.packed) return 'b';
  return t.bits == 16 ? 'h' : t.bits == 32 ? 'w' : t.bits == 64 ? 'l' : 'q';
}

}  // namespace

// A fresh predicate row that holds a CMP b.
uint32_t Decoder::compare(const std::string& cmp, const Type& type, const Operand& a, const Operand& b) {
  std::string key = "setp." + canonical_comparison(cmp);
  const std::string& name = s_->modifiers.back();
  const bool half = type.is_float() && type.bits == 16;
  if (has("ftz") && name == "f32") key += ".ftz";
  const char letter = letter_of(type);
  const uint32_t x = source(a, letter);
  const uint32_t y = source(b, letter);
  const uint32_t t = new_register(4);
  emit(key + "." + name, {t}, {x, y}, half && has("ftz") ? uint32_t{kFtz} : 0u);
  return t;
}

void Decoder::decode_setp() {
  const std::vector<std::string>& m = s_->modifiers;
  if (m.size() < 2 || s_->operands.size() < 3) fail("malformed setp");
  const Type type = last_type();
  std::string combine;
  for (size_t i = 1; i + 1 < m.size(); ++i) {
    if (m[i] == "and" || m[i] == "or" || m[i] == "xor")
      combine = m[i];
    else if (m[i] != "ftz")
      fail("unknown modifier '." + m[i] + "'");
  }
  const Operand& d = s_->operands[0];
  if (type.packed) {
    Operand first = d;
    Operand second = d;
    first.pair.clear();
    second.name = d.pair;
    second.pair.clear();
    if (d.pair.empty() || !combine.empty()) fail("this form");
    const uint32_t a = source(s_->operands[1], 'w');
    const uint32_t b = source(s_->operands[2], 'w');
    emit("setp." + canonical_comparison(m[0]) + "." + m.back(), {target(first, 'p'), target(second, 'p')},
         {a, b}, has("ftz") ? uint32_t{kFtz} : 0u);
    return;
  }
  if (d.pair.empty() && combine.empty() && s_->operands.size() == 3) {  // the common case, straight into d
    std::string key = "setp." + canonical_comparison(m[0]);
    if (has("ftz") && m.back() == "f32") key += ".ftz";
    const uint32_t a = source(s_->operands[1], letter_of(type));
    const uint32_t b = source(s_->operands[2], letter_of(type));
    emit(key + "." + m.back(), {target(d, 'p')}, {a, b}, type.bits == 16 && has("ftz") ? uint32_t{kFtz} : 0u);
    return;
  }
  const uint32_t t = compare(m[0], type, s_->operands[1], s_->operands[2]);
  const uint32_t inverse = new_register(4);
  emit("not.pred", {inverse}, {t});
  uint32_t p = t, q = inverse;
  if (!combine.empty()) {
    if (s_->operands.size() != 4) fail("a boolean operator needs a fourth operand");
    const uint32_t c = source(s_->operands[3], 'p');
    p = new_register(4);
    q = new_register(4);
    emit(combine + ".pred", {p}, {t, c});
    emit(combine + ".pred", {q}, {inverse, c});
  }
  Operand first = d;
  first.pair.clear();
  if (d.name == "_") first.kind = Operand::Kind::sink;
  emit("mov.pred", {target(first, 'p')}, {p});
  if (!d.pair.empty() && d.pair != "_") {
    first.kind = Operand::Kind::name;
    first.name = d.pair;
    emit("mov.pred", {target(first, 'p')}, {q});
  }
}

// set.CMP[.BOOL][.ftz].DTYPE.STYPE: a comparison that selects between constants.
void Decoder::decode_set() {
  const std::vector<std::string>& m = s_->modifiers;
  Type to;
  if (m.size() < 3 || !parse_type(m[m.size() - 2], &to)) fail("malformed set");
  const Type from = last_type();
  if (from.packed)
    return bind("set." + canonical_comparison(m[0]) + "." + m[m.size() - 2] + "." + m.back(),
                has("ftz") ? uint32_t{kFtz} : 0u);
  uint32_t p = compare(m[0], from, s_->operands[1], s_->operands[2]);
  if (s_->operands.size() == 4) {
    const uint32_t c = source(s_->operands[3], 'p');
    const uint32_t combined = new_register(4);
    const std::string op = has("and") ? "and" : has("or") ? "or" : "xor";
    emit(op + ".pred", {combined}, {p, c});
    p = combined;
  }
  const uint32_t bytes = static_cast<uint32_t>(to.bytes());
  const uint64_t yes = !to.is_float() ? ~0ull : to.kind == 'g' ? 0x3f80 : bytes == 2 ? 0x3c00 : 0x3f800000;
  const uint32_t d = target(s_->operands[0], bytes == 2 ? 'h' : 'w');
  emit("selp.b" + std::to_string(8 * bytes), {d}, {pool_->value(yes, bytes), pool_->value(0, bytes), p});
}

void Decoder::decode_selp() {
  const Type type = last_type();
  const char letter = letter_of(type);
  if (s_->operands.size() != 4) fail("selp takes four operands");
  const uint32_t a = source(s_->operands[1], letter);
  const uint32_t b = source(s_->operands[2], letter);
  const uint32_t p = source(s_->operands[3], 'p');
  emit("selp.b" + std::to_string(type.bits), {target(s_->operands[0], letter)}, {a, b, p});
}

// slct.T.{s32,f32} d, a, b, c: c >= 0 ? a : b.
void Decoder::decode_slct() {
  const std::vector<std::string>& m = s_->modifiers;
  Type type;
  if (m.size() < 2 || s_->operands.size() != 4 || !parse_type(m[m.size() - 2], &type)) fail("malformed slct");
  const bool real = m.back() == "f32";
  const uint32_t c = source(s_->operands[3], real ? 'f' : 'w');
  const uint32_t p = new_register(4);
  emit(real ? (has("ftz") ? "setp.ge.ftz.f32" : "setp.ge.f32") : "setp.ge.s32", {p}, {c, pool_->value(0, 4)});
  const char letter = letter_of(type);
  const uint32_t a = source(s_->operands[1], letter);
  const uint32_t b = source(s_->operands[2], letter);
  emit("selp.b" + std::to_string(type.bits), {target(s_->operands[0], letter)}, {a, b, p});
}

void Decoder::decode_logic() { decode_plain(); }

void Decoder::decode_cvta() {
  const bool to = has("to");
  std::string space;
  for (const std::string& m : s_->modifiers) {
    if (m != "to" && m != "u64" && m != "u32") space = m.substr(0, m.find("::"));
  }
  if (s_->modifiers.back() != "u64") fail("only 64-bit generic addresses exist");
  const uint32_t a = source(s_->operands[1], 'l');
  const uint32_t d = target(s_->operands[0], 'l');
  const uint64_t window = space == "shared"  ? kSharedWindow
                          : space == "local" ? kLocalWindow
                          : space == "param" ? kParamWindow
                                             : 0;
  if (space == "global" || space == "const") {
    emit("mov.b64", {d}, {a});
  } else if (space == "param" && !out_->entry) {
    emit(to ? "cvta.to" : "cvta", {d}, {a}).ins.imm = static_cast<int64_t>(kLocalWindow);
  } else if (window != 0) {
    emit(to ? "cvta.to" : "cvta", {d}, {a}).ins.imm = static_cast<int64_t>(window);
  } else {
    fail("unknown state space");
  }
}

void Decoder::decode_isspacep() {
  std::string space = s_->modifiers.empty() ? "" : s_->modifiers[0].substr(0, s_->modifiers[0].find("::"));
  static const std::map<std::string, uint32_t> codes = {
      {"global", 0}, {"shared", 1}, {"local", 2}, {"const", 3}, {"param", 4}};
  const auto it = codes.find(space);
  if (it == codes.end()) fail("unknown state space");
  const uint32_t a = source(s_->operands[1], 'l');
  emit("isspacep", {target(s_->operands[0], 'p')}, {a}, it->second);
}

void Decoder::decode_convert() {
  const std::vector<std::string>& m = s_->modifiers;
  if (!m.empty() && m[0] == "pack") return decode_plain();
  static const std::map<std::string, uint32_t> known = {{"rn", kRoundNearest},
                                                        {"rz", kRoundZero},
                                                        {"rm", kRoundDown},
                                                        {"rp", kRoundUp},
                                                        {"rna", kRoundAway},
                                                        {"rni", kRoundNearest | kIntegral},
                                                        {"rzi", kRoundZero | kIntegral},
                                                        {"rmi", kRoundDown | kIntegral},
                                                        {"rpi", kRoundUp | kIntegral},
                                                        {"ftz", kFtz},
                                                        {"sat", kSaturate},
                                                        {"relu", kRelu},
                                                        {"satfinite", kFinite}};
  uint32_t flags = 0;
  size_t i = 0;
  for (; i < m.size(); ++i) {
    const auto it = known.find(m[i]);
    if (it == known.end()) break;
    flags |= it->second;
  }
  if (m.size() - i != 2) fail("unknown or unsupported modifier");
  const std::string& to = m[i];
  const std::string& from = m[i + 1];
  if (s_->operands.size() == 3) return bind("cvt." + to + "." + from, flags);  // two values packed into one
  Type t, f;
  if (!parse_type(to, &t) || !parse_type(from, &f) || t.packed || f.packed)
    return bind("cvt." + to + "." + from, flags);
  // Registers may be wider than the types.
  const auto bytes_of = [&](const Operand& o, const Type& type) {
    const auto r = o.kind == Operand::Kind::name ? find_register(o.name) : std::nullopt;
    return r ? register_bytes(*r) : static_cast<uint32_t>(std::max<size_t>(type.bytes(), 2));
  };
  const auto letter = [](uint32_t bytes, const Type& type) {
    if (type.is_float()) return letter_of(type);
    return bytes == 2 ? 'h' : bytes == 4 ? 'w' : 'l';
  };
  const uint32_t db = bytes_of(s_->operands[0], t);
  const uint32_t sb = bytes_of(s_->operands[1], f);
  const char dl = t.is_float() && db == t.bytes() ? letter_of(t) : letter(db, {'b', 32});
  const char sl = f.is_float() && sb == f.bytes() ? letter_of(f) : letter(sb, {'b', 32});
  const uint32_t a = source(s_->operands[1], sl);
  const uint32_t d = target(s_->operands[0], dl);
  if (!t.is_float() && !f.is_float() && !(flags & kSaturate)) {
    std::string as = t.bits < f.bits ? to : t.bits == f.bits ? to : from;
    if (as[0] == 'b') as[0] = 'u';
    if (as == "s64") as = "u64";
    emit("resize." + std::to_string(8 * db) + "." + std::to_string(8 * sb) + "." + as, {d}, {a});
    return;
  }
  const std::string fast = "real." + to + "." + from;
  const bool exact_widths = db == t.bytes() && sb == f.bytes();
  if (exact_widths && (flags == 0 || (flags == kRoundNearest)) && registry().find(fast) != nullptr) {
    emit(fast, {d}, {a});
    return;
  }
  emit("cvt", {d}, {a}, conversion_code(t, f, db, sb)).ins.imm = flags;
}

void Decoder::decode_szext() { decode_plain(); }
void Decoder::decode_prmt() { decode_plain(); }

}  // namespace softgpu
