// SPDX-License-Identifier: BSD-3-Clause
// Loads, stores, atomics, asynchronous copies.
#include <set>

#include "engine/atomics.h"
#include "engine/decoder.h"

namespace softgpu {
namespace {

const std::map<std::string, std::string>& spaces() {
  static const std::map<std::string, std::string> table = {
      {"global", "global"},          {"shared", "shared"},     {"shared::cta", "shared"},
      {"shared::cluster", "shared"}, {"local", "local"},       {"param", "param"},
      {"param::entry", "param"},     {"param::func", "param"}, {"const", "global"}};
  return table;
}

// Caching, ordering and scope: one memory with x86's ordering satisfies all of them.
bool is_hint(const std::string& m) {
  static const std::set<std::string> words = {
      "weak", "relaxed", "acquire", "release", "acq_rel",  "cta", "cluster", "gpu",
      "sys",  "nc",      "ca",      "cg",      "cs",       "lu",  "cv",      "wb",
      "wt",   "unified", "noftz",   "mmio",    "volatile", "sc"};
  return words.count(m) != 0 || m.rfind("L1::", 0) == 0 || m.rfind("L2::", 0) == 0 ||
         m.rfind("level::", 0) == 0;
}

}  // namespace

void Decoder::memory_modifiers(std::string* space, int* vector, Type* type, bool* spins) {
  const std::vector<std::string>& m = s_->modifiers;
  *type = last_type();
  for (size_t i = 0; i + 1 < m.size(); ++i) {
    if (const auto it = spaces().find(m[i]); it != spaces().end())
      *space = it->second;
    else if (m[i] == "v2")
      *vector = 2;
    else if (m[i] == "v4")
      *vector = 4;
    else if (!is_hint(m[i]))
      fail("unknown or unsupported modifier '." + m[i] + "'");
    if (m[i] == "volatile" || m[i] == "acquire" || m[i] == "relaxed") *spins = true;
  }
}

void Decoder::decode_load() {
  std::string space;
  int vector = 1;
  Type type;
  bool spins = false;
  memory_modifiers(&space, &vector, &type, &spins);
  if (s_->operands.size() < 2) fail("too few operands");
  const Operand& d = s_->operands[0];
  std::vector<Operand> parts = d.kind == Operand::Kind::vector ? d.items : std::vector<Operand>{d};
  if (static_cast<int>(parts.size()) != vector) fail("the vector has the wrong length");
  const Address a = address(s_->operands[1], space);
  if (spins && a.kind == "global") emit("spin", {}, {});
  uint32_t bytes = static_cast<uint32_t>(std::max<size_t>(type.bytes(), 2));
  std::vector<uint32_t> registers;
  for (const Operand& part : parts) {
    const auto r = part.kind == Operand::Kind::name ? find_register(part.name) : std::nullopt;
    if (part.kind == Operand::Kind::name && !r) fail("unknown register '" + part.name + "'");
    if (r) bytes = register_bytes(*r);
  }
  if (bytes < type.bytes()) fail("the destination is narrower than what is loaded");
  for (const Operand& part : parts) {
    if (part.kind == Operand::Kind::sink)
      registers.push_back(new_register(bytes));
    else
      registers.push_back(*find_register(part.name));
    if (register_bytes(registers.back()) != bytes) fail("destinations of unequal width");
  }
  const std::string memory =
      (type.is_signed() && type.bytes() < bytes ? "s" : "u") + std::to_string(type.bits);
  const std::string key = "ld." + a.kind + "." + memory + "." + std::to_string(8 * bytes);
  Draft& draft = emit(key, {}, {}, static_cast<uint32_t>(vector));
  for (size_t k = 0; k < registers.size(); ++k) {
    draft.ins.o[k] = registers[k];
    draft.defines |= static_cast<uint8_t>(1u << k);
  }
  draft.ins.imm = a.imm;
  if (a.operand != kNoOperand) {
    draft.ins.o[4] = a.operand;
    if ((a.operand & kInConstants) == 0) draft.reads |= 1u << 4;
  }
}

void Decoder::decode_store() {
  std::string space;
  int vector = 1;
  Type type;
  bool spins = false;
  if (!s_->modifiers.empty() && s_->modifiers[0] == "async") fail("unsupported modifier '.async'");
  memory_modifiers(&space, &vector, &type, &spins);
  if (s_->operands.size() < 2) fail("too few operands");
  const Operand& v = s_->operands[1];
  const std::vector<Operand> parts = v.kind == Operand::Kind::vector ? v.items : std::vector<Operand>{v};
  if (static_cast<int>(parts.size()) != vector) fail("the vector has the wrong length");
  const Address a = address(s_->operands[0], space);
  if (a.kind.rfind("param", 0) == 0) fail("a store to a kernel parameter");
  uint32_t bytes = static_cast<uint32_t>(std::max<size_t>(type.bytes(), 2));
  for (const Operand& part : parts) {
    const auto r = part.kind == Operand::Kind::name ? find_register(part.name) : std::nullopt;
    if (r) bytes = register_bytes(*r);
  }
  if (bytes < type.bytes()) fail("the source is narrower than what is stored");
  const bool real = type.is_float() && !type.packed;
  const char letter = bytes == 2   ? (type.kind == 'g' ? 'b'
                                      : real           ? 'x'
                                                       : 'h')
                      : bytes == 4 ? (real ? 'f' : 'w')
                      : bytes == 8 ? (real ? 'e' : 'l')
                                   : 'q';
  std::vector<uint32_t> sources;
  for (const Operand& part : parts) sources.push_back(source(part, letter));
  Draft& draft = emit("st." + a.kind + ".u" + std::to_string(type.bits) + "." + std::to_string(8 * bytes), {},
                      {}, static_cast<uint32_t>(vector));
  for (size_t k = 0; k < sources.size(); ++k) {
    draft.ins.o[k] = sources[k];
    if ((sources[k] & kInConstants) == 0) draft.reads |= static_cast<uint8_t>(1u << k);
  }
  draft.ins.imm = a.imm;
  draft.ins.o[4] = a.operand;
  if ((a.operand & kInConstants) == 0) draft.reads |= 1u << 4;
}

// atom and red: "atom.KIND.op.type", operands d, a, [b], address; see atomics.cpp.
void Decoder::decode_atomic() {
  std::string space, op;
  int vector = 1;
  const Type type = last_type();
  const std::vector<std::string>& m = s_->modifiers;
  for (size_t i = 0; i + 1 < m.size(); ++i) {
    if (const auto it = spaces().find(m[i]); it != spaces().end())
      space = it->second;
    else if (is_atomic_operation(m[i]))
      op = m[i];
    else if (m[i] == "v2" || m[i] == "v4" || m[i] == "v8")
      vector = m[i][1] - '0';
    else if (!is_hint(m[i]))
      fail("unknown or unsupported modifier '." + m[i] + "'");
  }
  const bool returns = s_->opcode == "atom";
  const size_t first = returns ? 1 : 0;
  const size_t values = op == "cas" ? 2 : 1;
  if (s_->operands.size() < first + 1 + values) fail("too few operands");
  const Address a = address(s_->operands[first], space);
  if (a.kind.rfind("param", 0) == 0 || a.kind.rfind("local", 0) == 0)
    fail("an atomic operation on this state space");
  const uint32_t bytes = static_cast<uint32_t>(type.bytes());
  const bool real = type.is_float() && !type.packed;
  const char letter = bytes == 2   ? (type.kind == 'g' ? 'b'
                                      : real           ? 'x'
                                                       : 'h')
                      : bytes == 4 ? (real ? 'f' : 'w')
                      : bytes == 8 ? (real ? 'e' : 'l')
                                   : 'q';
  const auto parts = [](const Operand& o) {
    return o.kind == Operand::Kind::vector ? o.items : std::vector<Operand>{o};
  };
  const std::vector<Operand> sources = parts(s_->operands[first + 1]);
  if (static_cast<int>(sources.size()) != vector) fail("the vector has the wrong length");
  if (op == "cas" || op == "exch") emit("spin", {}, {});
  for (int k = 0; k < vector; ++k) {
    const uint32_t d =
        !returns ? new_register(bytes) : target(parts(s_->operands[0])[static_cast<size_t>(k)], letter);
    const uint32_t b = source(sources[static_cast<size_t>(k)], letter);
    const std::string key = "atom." + a.kind + "." + op + "." + m.back();
    Draft& draft = op == "cas" ? emit(key, {d}, {a.operand, b, source(s_->operands[first + 2], letter)})
                               : emit(key, {d}, {a.operand, b});
    draft.ins.imm = a.imm + k * static_cast<int64_t>(bytes);
  }
}

// cp.async: the copy is made at once, so waiting for it is nothing.
void Decoder::decode_async_copy() {
  const std::vector<std::string>& m = s_->modifiers;
  if (m.empty() || m[0] != "async") fail("unknown instruction '" + s_->mnemonic() + "'");
  if (has("commit_group") || has("wait_group") || has("wait_all")) return decode_ignored();
  if (has("bulk")) fail("unsupported form");
  if (has("mbarrier")) return decode_copy_arrival();
  if (s_->operands.size() < 3) fail("too few operands");
  const Address to = address(s_->operands[0], "shared");
  const Address from = address(s_->operands[1], "global");
  const uint32_t to_operand = to.kind == "shared32" ? widen(to.operand) : to.operand;
  const uint32_t size = source(s_->operands[2], 'w');
  // With a fourth operand that many bytes come from memory and the rest is zeros; a predicate there means
  // none.
  uint32_t valid = size;
  if (s_->operands.size() > 3 && has("L2::cache_hint") == false) valid = source(s_->operands[3], 'w');
  const uint32_t offset = pool_->value(static_cast<uint64_t>(to.imm), 8);
  emit("cp.async", {}, {to_operand, from.operand, size, valid, offset}).ins.imm = from.imm;
}

// cp.async.mbarrier.arrive: the copies are done already. Without .noinc their arrival was added first, which
// leaves the barrier as it was.
void Decoder::decode_copy_arrival() {
  if (!has("noinc")) return;
  const Address a = address(s_->operands.at(0), has("shared") || has("shared::cta") ? "shared" : "");
  emit("mbarrier.arrive." + a.kind, {new_register(8)}, {a.operand, pool_->value(1, 4)}).ins.imm = a.imm;
}

void Decoder::decode_prefetch() { decode_ignored(); }

// Hints to caches and schedulers. Destinations, where there are any, become zero.
void Decoder::decode_ignored() {
  if (s_->opcode == "createpolicy") emit("mov.b64", {target(s_->operands.at(0), 'l')}, {pool_->value(0, 8)});
}

void Decoder::decode_fence() {
  static const std::set<std::string> words = {"sc",
                                              "acq_rel",
                                              "acquire",
                                              "release",
                                              "cta",
                                              "cluster",
                                              "gpu",
                                              "sys",
                                              "gl",
                                              "proxy",
                                              "alias",
                                              "async",
                                              "async::generic",
                                              "global",
                                              "shared::cta",
                                              "shared::cluster",
                                              "mbarrier_init",
                                              "sync_restrict::shared::cta",
                                              "tensormap::generic",
                                              "async.global"};
  for (const std::string& m : s_->modifiers) {
    if (words.count(m) == 0) fail("unknown or unsupported modifier '." + m + "'");
  }
  emit("fence", {}, {});
}

}  // namespace softgpu
