// SPDX-License-Identifier: BSD-3-Clause
// Branches, calls, barriers, and instructions in which the lanes of a warp take part together.
#include <set>

#include "engine/builtins.h"
#include "engine/decoder.h"

namespace softgpu {

void Decoder::decode_branch() {
  if (s_->operands.size() != 1) fail("bra takes a label");
  Draft& d = emit(guard_ == kNoOperand ? "bra" : "bra.if", {}, {});
  d.target = find_label(s_->operands[0].name);
  d.flow = true;
  d.ends = guard_ == kNoOperand;
}

void Decoder::decode_indexed_branch() {
  if (!has("idx") || s_->operands.size() != 2) fail("only brx.idx is known");
  const Statement* table = find_table(s_->operands[1].name);
  if (table == nullptr) fail("unknown list of targets '" + s_->operands[1].name + "'");
  const uint32_t index = source(s_->operands[0], 'w');
  Draft& d = emit("brx.idx", {}, {index});
  for (const std::string& label : table->targets) d.table.push_back(find_label(label));
  d.flow = true;
  d.ends = true;
}

void Decoder::decode_end() {
  Draft& d = emit(s_->opcode, {}, {});
  const bool guarded_trap = guard_ != kNoOperand;
  d.flow = !guarded_trap;
  d.ends = !guarded_trap;
}

// call (results), target, (arguments), prototype;
void Decoder::decode_call() {
  const std::vector<Operand>& operands = s_->operands;
  size_t k = 0;
  std::vector<Operand> results, args;
  if (k < operands.size() && operands[k].kind == Operand::Kind::list) results = operands[k++].items;
  if (k >= operands.size()) fail("no function to call");
  const Operand& callee = operands[k++];
  if (k < operands.size() && operands[k].kind == Operand::Kind::list) args = operands[k++].items;

  CallSite site;
  const auto register_slot = [&](uint32_t r) {
    Slot slot;
    slot.row = r;
    slot.size = register_bytes(r);
    return slot;
  };
  const auto slot_of = [&](const Operand& o, const std::vector<Slot>* formals, size_t i) -> Slot {
    if (o.kind == Operand::Kind::name) {
      if (const Local* local = find_local(o.name)) return {local->offset, local->size, kNoOperand};
      if (const auto r = find_register(o.name)) return register_slot(*r);
      fail("unknown argument '" + o.name + "'");
    }
    const uint32_t bytes = formals != nullptr && i < formals->size() ? (*formals)[i].size : 4;
    const uint32_t c = constant(o, bytes == 8 ? 'l' : bytes == 2 ? 'h' : 'w');
    return {0, bytes, c};
  };
  const auto indirect = find_register(callee.name);
  const Symbol* s = indirect ? nullptr : &symbol(callee.name);
  const std::vector<Slot>* formals = nullptr;
  if (s != nullptr && s->kind == Symbol::Kind::function) {
    site.target = program_->functions[static_cast<size_t>(s->index)].get();
    if (site.target->entry) fail("a call of kernel '" + callee.name + "'");
    formals = &site.target->params;
  } else if (s != nullptr && s->kind == Symbol::Kind::builtin) {
    site.builtin = s->index;
    if (is_malloc(site.builtin)) out_->allocates = true;
  } else if (s != nullptr) {
    fail("'" + callee.name + "' is no function");
  }
  for (size_t i = 0; i < args.size(); ++i) site.args.push_back(slot_of(args[i], formals, i));
  for (size_t i = 0; i < results.size(); ++i) site.results.push_back(slot_of(results[i], nullptr, i));
  out_->calls.push_back(std::move(site));
  Draft& d = indirect ? emit("call.indirect", {}, {*indirect}) : emit("call", {}, {});
  d.ins.imm = static_cast<int64_t>(out_->calls.size()) - 1;
  d.flow = true;
}

// bar{.cta}.sync a{, b}; barrier likewise, with .aligned; bar.red.op d, a{, b}, p; bar.warp.sync mask.
void Decoder::decode_barrier() {
  const std::vector<std::string>& m = s_->modifiers;
  if (has("warp")) {
    const uint32_t mask = source(s_->operands.at(0), 'w');
    emit("bar.warp.sync", {}, {mask});
    return;
  }
  if (has("cluster")) {
    // A cluster of one block: its barrier is one of the block that no program can name.
    if (has("arrive"))
      emit("barrier.cluster.arrive", {}, {});
    else if (has("wait"))
      emit("barrier.sync", {}, {kNoOperand, pool_->value(0, 4)}).ins.o[1] = pool_->value(15, 4);
    else
      fail("unknown form");
    return;
  }
  std::string operation;
  std::string reduction;
  for (const std::string& w : m) {
    if (w == "sync" || w == "arrive" || w == "red")
      operation = w;
    else if (w == "popc" || w == "and" || w == "or")
      reduction = w;
    else if (w != "aligned" && w != "cta" && w != "u32" && w != "pred")
      fail("unknown modifier '." + w + "'");
  }
  if (operation == "red") {
    const std::vector<Operand>& o = s_->operands;
    if (o.size() != 3 && o.size() != 4) fail("malformed reduction");
    const uint32_t id = source(o[1], 'w');
    const uint32_t count = o.size() == 4 ? source(o[2], 'w') : kNoOperand;
    const uint32_t p = source(o.back(), 'p');
    const uint32_t d = target(o[0], reduction == "popc" ? 'w' : 'p');
    emit("barrier.red." + reduction, {d}, {id, count, p});
    return;
  }
  if (operation.empty()) fail("unknown form");
  if (s_->operands.empty()) fail("too few operands");
  const uint32_t id = source(s_->operands[0], 'w');
  const uint32_t count = s_->operands.size() > 1 ? source(s_->operands[1], 'w') : kNoOperand;
  Draft& d = emit("barrier." + operation, {}, {kNoOperand, id, count});
  (void)d;
}

// shfl{.sync}.mode.b32 d|p, a, b, c{, mask}
void Decoder::decode_shuffle() {
  const std::vector<std::string>& m = s_->modifiers;
  const bool sync = has("sync");
  const std::string mode = has("up")     ? "up"
                           : has("down") ? "down"
                           : has("bfly") ? "bfly"
                           : has("idx")  ? "idx"
                                         : "";
  if (mode.empty() || m.back() != "b32") fail("unknown form");
  const std::vector<Operand>& o = s_->operands;
  if (o.size() != (sync ? 5u : 4u)) fail("wrong number of operands");
  const uint32_t a = source(o[1], 'w');
  const uint32_t b = source(o[2], 'w');
  const uint32_t c = source(o[3], 'w');
  const uint32_t mask = sync ? source(o[4], 'w') : kNoOperand;
  Operand first = o[0];
  first.pair.clear();
  const uint32_t d = target(first, 'w');
  Operand second;
  if (!o[0].pair.empty() && o[0].pair != "_") {
    second.kind = Operand::Kind::name;
    second.name = o[0].pair;
  }
  const uint32_t p = target(second, 'p');
  emit("shfl." + mode, {d, p}, {a, b, c, mask});
}

// vote{.sync}.{all,any,uni}.pred d, {!}p{, mask}; vote{.sync}.ballot.b32
void Decoder::decode_vote() {
  const bool sync = has("sync");
  const std::string mode = has("all")      ? "all"
                           : has("any")    ? "any"
                           : has("uni")    ? "uni"
                           : has("ballot") ? "ballot"
                                           : "";
  if (mode.empty() || s_->operands.size() != (sync ? 3u : 2u)) fail("unknown form");
  const uint32_t p = source(s_->operands[1], 'p');
  const uint32_t mask = sync ? source(s_->operands[2], 'w') : kNoOperand;
  emit("vote." + mode, {target(s_->operands[0], mode == "ballot" ? 'w' : 'p')}, {p, mask});
}

// match, redux, elect: destinations may be pairs.
void Decoder::decode_collective() {
  Operand first = s_->operands.at(0);
  Operand second;
  if (!first.pair.empty() && first.pair != "_") {
    second.kind = Operand::Kind::name;
    second.name = first.pair;
  }
  first.pair.clear();
  if (first.name == "_") first.kind = Operand::Kind::sink;
  const std::vector<Operand>& o = s_->operands;
  if (s_->opcode == "elect") {
    const uint32_t mask = source(o.at(1), 'w');
    emit("elect", {target(first, 'w'), target(second, 'p')}, {mask});
  } else if (s_->opcode == "match") {
    const char letter = s_->modifiers.back() == "b64" ? 'l' : 'w';
    const uint32_t a = source(o.at(1), letter);
    const uint32_t mask = source(o.at(2), 'w');
    emit(std::string("match.") + (has("all") ? "all." : "any.") + s_->modifiers.back(),
         {target(first, 'w'), target(second, 'p')}, {a, mask});
  } else {
    std::string key = "redux";
    for (const std::string& m : s_->modifiers) {
      if (m != "sync") key += "." + m;
    }
    const uint32_t a = source(o.at(1), 'w');
    const uint32_t mask = source(o.at(2), 'w');
    emit(key, {target(first, 'w')}, {a, mask});
  }
}

// mbarrier.OPERATION[...].b64. Orders and scopes mean nothing to a block that one thread runs.
void Decoder::decode_mbarrier() {
  std::string operation, space;
  bool parity = false;
  for (const std::string& m : s_->modifiers) {
    if (m == "init" || m == "inval" || m == "arrive" || m == "arrive_drop" || m == "test_wait" ||
        m == "try_wait" || m == "pending_count")
      operation = m;
    else if (m == "shared" || m == "shared::cta")
      space = "shared";
    else if (m == "parity")
      parity = true;
    else if (m != "b64" && m != "noComplete" && m != "release" && m != "acquire" && m != "relaxed" &&
             m != "cta")
      fail("unknown or unsupported modifier '." + m + "'");
  }
  const std::vector<Operand>& o = s_->operands;
  if (operation == "pending_count") return decode_plain();
  const bool returns = operation != "init" && operation != "inval";
  if (o.size() < (operation == "inval" ? 1u : 2u)) fail("too few operands");
  const Address a = address(o[returns ? 1 : 0], space);
  if (a.operand == kNoOperand) fail("an mbarrier in this state space");
  if (operation == "inval") return;
  if (operation == "init") {
    emit("mbarrier.init." + a.kind, {}, {a.operand, source(o[1], 'w')}).ins.imm = a.imm;
  } else if (operation == "test_wait" || operation == "try_wait") {
    if (o.size() < 3) fail("too few operands");  // a fourth would be a hint how long to wait
    emit((parity ? "mbarrier.test.parity." : "mbarrier.test.") + a.kind, {target(o[0], 'p')},
         {a.operand, source(o[2], parity ? 'w' : 'l')})
        .ins.imm = a.imm;
  } else {
    const uint32_t count = o.size() > 2 ? source(o[2], 'w') : pool_->value(1, 4);
    emit("mbarrier." + operation + "." + a.kind, {target(o[0], 'l')}, {a.operand, count}).ins.imm = a.imm;
  }
}

}  // namespace softgpu
