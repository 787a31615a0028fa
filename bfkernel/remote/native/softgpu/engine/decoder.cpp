// SPDX-License-Identifier: BSD-3-Clause
#include "engine/decoder.h"

#include <algorithm>
#include <set>

namespace softgpu {

Decoder::Decoder(const Linker& linker, Program* program, ConstantPool* pool, int function)
    : linker_(linker),
      program_(program),
      pool_(pool),
      decl_(linker.declaration(function)),
      out_(program->functions[static_cast<size_t>(function)].get()),
      module_(out_->module) {}

void Decoder::fail(const std::string& what) const {
  if (s_ == nullptr) throw PtxError(decl_.line, what + " (function '" + decl_.name + "')");
  throw PtxError(s_->line,
                 s_->kind == Statement::Kind::instruction ? what + " in '" + s_->mnemonic() + "'" : what);
}

void Decoder::run() {
  scopes_.emplace_back();
  declare_params();
  block(decl_.body);
  finish();
}

bool Decoder::has(const char* modifier) const {
  return std::find(s_->modifiers.begin(), s_->modifiers.end(), modifier) != s_->modifiers.end();
}

Type Decoder::last_type() const {
  Type t;
  if (s_->modifiers.empty() || !parse_type(s_->modifiers.back(), &t)) fail("missing or unknown type");
  return t;
}

Draft& Decoder::emit(const std::string& key, std::initializer_list<uint32_t> defines,
                     std::initializer_list<uint32_t> reads, uint32_t aux) {
  const Registry::Entry* entry = registry().find(key);
  if (entry == nullptr) fail("unknown instruction '" + s_->mnemonic() + "' (no handler '" + key + "')");
  Draft d;
  d.ins.fn = entry->fn;
  d.ins.aux = entry->aux | aux;
  size_t k = 0;
  for (const uint32_t o : defines) {
    d.defines |= static_cast<uint8_t>(1u << k);
    d.ins.o[k++] = o;
  }
  for (const uint32_t o : reads) {
    if ((o & kInConstants) == 0 && o != kNoOperand) d.reads |= static_cast<uint8_t>(1u << k);
    d.ins.o[k++] = o;
  }
  d.ins.line = s_ == nullptr ? 0 : static_cast<uint32_t>(s_->line);
  if (s_ != nullptr) {
    const auto [it, fresh] =
        mnemonic_index_.try_emplace(s_->mnemonic(), static_cast<uint32_t>(out_->mnemonics.size()));
    if (fresh) out_->mnemonics.push_back(it->first);
    d.ins.name = it->second;
  } else {
    if (out_->mnemonics.empty()) out_->mnemonics.emplace_back("ret");
  }
  d.ins.guard = guard_;
  code_.push_back(std::move(d));
  return code_.back();
}

void Decoder::bind(const std::string& key, uint32_t aux) {
  const Registry::Entry* entry = registry().find(key);
  if (entry == nullptr) fail("unknown instruction '" + s_->mnemonic() + "'");
  bind(*entry, aux);
}

// Binds the statement's operands in order, as the handler's signature says.
void Decoder::bind(const Registry::Entry& entry, uint32_t aux) {
  std::vector<uint32_t> defines, reads;
  uint32_t immediate = 0;
  bool optional = false;
  size_t k = 0;
  std::vector<std::pair<size_t, char>> targets;
  const std::string& sig = entry.signature;
  for (size_t i = 0; i < sig.size(); ++i) {
    const bool written = sig[i] == '=';
    if (written) ++i;
    const char letter = sig[i];
    if (letter == '?') {
      optional = true;
      continue;
    }
    if (letter == 'c') {
      if (!carry_) carry_ = new_register(4);
      (written ? defines : reads).push_back(*carry_);
      continue;
    }
    if (k >= s_->operands.size()) {
      if (optional) break;
      fail("too few operands");
    }
    const Operand& o = s_->operands[k++];
    if (letter == 'i') {
      if (o.kind != Operand::Kind::integer) fail("operand " + std::to_string(k) + " must be a constant");
      immediate = static_cast<uint32_t>(o.bits);
    } else if (written) {
      defines.push_back(target(o, letter));
    } else {
      reads.push_back(source(o, letter));
    }
  }
  if (k != s_->operands.size()) fail("too many operands");
  Draft& made = emit("nop", {}, {});
  made.ins.fn = entry.fn;
  made.ins.aux = entry.aux | aux;
  made.ins.imm = immediate;
  size_t at = 0;
  for (const uint32_t o : defines) {
    made.defines |= static_cast<uint8_t>(1u << at);
    made.ins.o[at++] = o;
  }
  for (const uint32_t o : reads) {
    if ((o & kInConstants) == 0) made.reads |= static_cast<uint8_t>(1u << at);
    made.ins.o[at++] = o;
  }
}

void Decoder::block(const std::vector<Statement>& body) {
  scopes_.emplace_back();
  for (const Statement& s : body) {
    if (s.kind == Statement::Kind::label) scopes_.back().labels.insert_or_assign(s.name, new_label());
    if (s.kind == Statement::Kind::targets || s.kind == Statement::Kind::prototype)
      scopes_.back().tables.insert_or_assign(s.name, &s);
  }
  for (const Statement& s : body) statement(s);
  scopes_.pop_back();
}

void Decoder::statement(const Statement& s) {
  s_ = &s;
  switch (s.kind) {
    case Statement::Kind::instruction:
      instruction();
      break;
    case Statement::Kind::label:
      place_label(find_label(s.name));
      break;
    case Statement::Kind::block:
      block(s.body);
      break;
    case Statement::Kind::variable:
      declare(s.variable);
      break;
    case Statement::Kind::prototype:
    case Statement::Kind::targets:
      break;
  }
}

// Instructions that must see the warp's real set of active lanes, or that leave the straight line: under a
// guard they are branched around instead of masked.
bool Decoder::changes_flow() const {
  static const std::set<std::string> flow = {"call", "ret",  "exit",     "brx",      "bar",      "barrier",
                                             "shfl", "vote", "match",    "redux",    "elect",    "nanosleep",
                                             "mma",  "wmma", "ldmatrix", "stmatrix", "movmatrix"};
  return flow.count(s_->opcode) != 0;
}

void Decoder::instruction() {
  const Statement& s = *s_;
  guard_ = kNoOperand;
  int skip = -1;
  if (!s.guard.empty()) {
    const uint32_t p = predicate(s.guard, false);
    if (changes_flow()) {
      skip = new_label();
      guard_ = p | (s.guard_negated ? 0 : kNegated);
      Draft& d = emit("bra.if", {}, {});
      d.target = skip;
      d.flow = true;
      guard_ = kNoOperand;
    } else {
      guard_ = p | (s.guard_negated ? kNegated : 0);
    }
  }
  const auto it = families().find(s.opcode);
  if (it != families().end())
    (this->*it->second)();
  else
    decode_plain();
  guard_ = kNoOperand;
  if (skip >= 0) place_label(skip);
}

// The mnemonic itself is the key.
void Decoder::decode_plain() {
  const Registry::Entry* entry = registry().find(s_->mnemonic());
  if (entry == nullptr) {
    fail(registry().knows_opcode(s_->opcode) ? "unknown or unsupported modifier"
                                             : "unknown instruction '" + s_->opcode + "'");
  }
  if (s_->opcode == "alloca") out_->unbounded_stack = true;
  bind(*entry, 0);
}

const std::unordered_map<std::string, Decoder::Method>& Decoder::families() {
  static const std::unordered_map<std::string, Method> table = {
      {"mov", &Decoder::decode_mov},
      {"add", &Decoder::decode_real},
      {"sub", &Decoder::decode_real},
      {"mul", &Decoder::decode_real},
      {"mad", &Decoder::decode_real},
      {"fma", &Decoder::decode_real},
      {"div", &Decoder::decode_real},
      {"min", &Decoder::decode_real},
      {"max", &Decoder::decode_real},
      {"abs", &Decoder::decode_real},
      {"neg", &Decoder::decode_real},
      {"rcp", &Decoder::decode_real},
      {"sqrt", &Decoder::decode_real},
      {"rsqrt", &Decoder::decode_real},
      {"sin", &Decoder::decode_real},
      {"cos", &Decoder::decode_real},
      {"lg2", &Decoder::decode_real},
      {"ex2", &Decoder::decode_real},
      {"tanh", &Decoder::decode_real},
      {"setp", &Decoder::decode_setp},
      {"set", &Decoder::decode_set},
      {"selp", &Decoder::decode_selp},
      {"slct", &Decoder::decode_slct},
      {"and", &Decoder::decode_logic},
      {"or", &Decoder::decode_logic},
      {"xor", &Decoder::decode_logic},
      {"not", &Decoder::decode_logic},
      {"cnot", &Decoder::decode_logic},
      {"shl", &Decoder::decode_logic},
      {"shr", &Decoder::decode_logic},
      {"cvt", &Decoder::decode_convert},
      {"cvta", &Decoder::decode_cvta},
      {"isspacep", &Decoder::decode_isspacep},
      {"ld", &Decoder::decode_load},
      {"ldu", &Decoder::decode_load},
      {"st", &Decoder::decode_store},
      {"atom", &Decoder::decode_atomic},
      {"red", &Decoder::decode_atomic},
      {"cp", &Decoder::decode_async_copy},
      {"prefetch", &Decoder::decode_prefetch},
      {"prefetchu", &Decoder::decode_prefetch},
      {"applypriority", &Decoder::decode_prefetch},
      {"discard", &Decoder::decode_prefetch},
      {"createpolicy", &Decoder::decode_ignored},
      {"pmevent", &Decoder::decode_ignored},
      {"griddepcontrol", &Decoder::decode_ignored},
      {"setmaxnreg", &Decoder::decode_ignored},
      {"bra", &Decoder::decode_branch},
      {"brx", &Decoder::decode_indexed_branch},
      {"call", &Decoder::decode_call},
      {"ret", &Decoder::decode_end},
      {"exit", &Decoder::decode_end},
      {"trap", &Decoder::decode_end},
      {"brkpt", &Decoder::decode_end},
      {"bar", &Decoder::decode_barrier},
      {"barrier", &Decoder::decode_barrier},
      {"mbarrier", &Decoder::decode_mbarrier},
      {"membar", &Decoder::decode_fence},
      {"fence", &Decoder::decode_fence},
      {"shfl", &Decoder::decode_shuffle},
      {"vote", &Decoder::decode_vote},
      {"match", &Decoder::decode_collective},
      {"redux", &Decoder::decode_collective},
      {"elect", &Decoder::decode_collective},
      {"ldmatrix", &Decoder::decode_ldmatrix},
      {"stmatrix", &Decoder::decode_ldmatrix},
      {"mma", &Decoder::decode_mma},
      {"wmma", &Decoder::decode_mma},
      {"tex", &Decoder::decode_texture},
      {"tld4", &Decoder::decode_texture},
      {"txq", &Decoder::decode_texture_query},
      {"suq", &Decoder::decode_texture_query},
      {"suld", &Decoder::decode_surface},
      {"sust", &Decoder::decode_surface},
      {"sured", &Decoder::decode_surface_reduction},
  };
  return table;
}

void Decoder::finish() {
  s_ = nullptr;
  guard_ = kNoOperand;
  // Control may reach the closing brace.
  Draft& last = emit("ret", {}, {});
  last.flow = true;
  last.ends = true;
  for (size_t l = 0; l < labels_.size(); ++l) {
    if (labels_[l] == SIZE_MAX) fail("a label without a place");
  }
  for (size_t i = 0; i < code_.size(); ++i) {
    Draft& d = code_[i];
    if (d.target >= 0)
      d.ins.imm = static_cast<int64_t>(labels_[static_cast<size_t>(d.target)]) - static_cast<int64_t>(i);
    if (!d.table.empty()) {
      std::vector<int32_t> distances;
      for (const int label : d.table)
        distances.push_back(static_cast<int32_t>(labels_[static_cast<size_t>(label)]) -
                            static_cast<int32_t>(i));
      d.ins.imm = static_cast<int64_t>(out_->branch_tables.size());
      out_->branch_tables.push_back(std::move(distances));
    }
    if (d.ins.guard != kNoOperand && !d.flow) {
      d.ins.inner = d.ins.fn;
      d.ins.fn = registry().find("guarded")->fn;
    }
  }
  out_->local_bytes = (out_->local_bytes + 15) & ~15u;
  allocate_registers(out_, code_, registers_, labels_, entry_registers_, result_registers_);
}

}  // namespace softgpu
