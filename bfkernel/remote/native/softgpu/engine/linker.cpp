// SPDX-License-Identifier: BSD-3-Clause
#include "engine/linker.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/builtins.h"
#include "engine/lexer.h"

namespace softgpu {
namespace {

uint64_t align_up(uint64_t x, uint64_t a) { return a == 0 ? x : (x + a - 1) / a * a; }

uint64_t element_bits(const InitItem& item, const Type& type) {
  if (item.kind == Operand::Kind::real32 && type.kind == 'f' && type.bits == 64)
    return std::bit_cast<uint64_t>(
        static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(item.bits))));
  if (item.kind == Operand::Kind::real64 && type.bits == 32)
    return std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(item.bits)));
  if (item.kind == Operand::Kind::integer && type.kind == 'f' && type.bits == 32)
    return std::bit_cast<uint32_t>(static_cast<float>(static_cast<int64_t>(item.bits)));
  if (item.kind == Operand::Kind::integer && type.kind == 'f' && type.bits == 64)
    return std::bit_cast<uint64_t>(static_cast<double>(static_cast<int64_t>(item.bits)));
  return item.bits;
}

uint64_t scoped_shared(const std::vector<Statement>& body, uint64_t end) {
  for (const Statement& s : body) {
    const Variable& v = s.variable;
    if (s.kind == Statement::Kind::block) end = scoped_shared(s.body, end);
    if (s.kind == Statement::Kind::variable && v.space == Space::shared && v.linkage != Linkage::external &&
        !v.unsized)
      end = align_up(end, std::max<size_t>(v.alignment, 1)) + v.bytes();
  }
  return end;
}

}  // namespace

void Linker::place(int module, const std::string& name, Linkage linkage, const Symbol& symbol) {
  scopes_[static_cast<size_t>(module)].insert_or_assign(name, symbol);
  if (linkage != Linkage::internal) exported_.try_emplace(name, symbol);
}

void Linker::define_functions(int module) {
  for (const FunctionDecl& f : modules_[static_cast<size_t>(module)].functions) {
    if (!f.defined) continue;
    if (f.linkage != Linkage::internal && exported_.count(f.name) != 0) {
      if (f.linkage == Linkage::weak) {
        scopes_[static_cast<size_t>(module)].insert_or_assign(f.name, exported_.find(f.name)->second);
        continue;
      }
      throw PtxError(f.line, "function '" + f.name + "' is defined twice");
    }
    Symbol s;
    s.kind = Symbol::Kind::function;
    s.index = static_cast<int>(program_->functions.size());
    s.function = &f;
    auto out = std::make_unique<Function>();
    out->name = f.name;
    out->entry = f.entry;
    out->index = s.index;
    out->module = module;
    program_->functions.push_back(std::move(out));
    declarations_.push_back(&f);
    place(module, f.name, f.linkage, s);
  }
}

void Linker::define_variables(int module) {
  for (const Variable& v : modules_[static_cast<size_t>(module)].variables) {
    Symbol s;
    s.variable = &v;
    if (v.space == Space::shared) {
      s.kind =
          v.linkage == Linkage::external || v.unsized ? Symbol::Kind::dynamic_shared : Symbol::Kind::shared;
      scopes_[static_cast<size_t>(module)].insert_or_assign(v.name, s);
      continue;
    }
    if (v.space != Space::global && v.space != Space::constant) continue;
    if (v.linkage == Linkage::external) continue;
    const auto known = exported_.find(v.name);
    if (v.linkage != Linkage::internal && known != exported_.end()) {
      if (v.linkage == Linkage::visible) throw PtxError(v.line, "variable '" + v.name + "' is defined twice");
      scopes_[static_cast<size_t>(module)].insert_or_assign(v.name, known->second);
      continue;
    }
    s.kind = Symbol::Kind::global;
    s.index = static_cast<int>(program_->globals.size());
    GlobalData g;
    g.info = {v.name, v.bytes(), std::max<size_t>(v.alignment, 1), v.space == Space::constant, v.managed};
    program_->globals.push_back(std::move(g));
    place(module, v.name, v.linkage, s);
  }
}

void Linker::resolve_declarations(int module) {
  const Module& m = modules_[static_cast<size_t>(module)];
  Scope& scope = scopes_[static_cast<size_t>(module)];
  for (const FunctionDecl& f : m.functions) {
    if (f.defined || scope.count(f.name) != 0) continue;
    if (const auto it = exported_.find(f.name); it != exported_.end()) {
      scope.insert_or_assign(f.name, it->second);
    } else if (const int builtin = builtin_by_name(f.name); builtin != 0) {
      Symbol s;
      s.kind = Symbol::Kind::builtin;
      s.index = builtin;
      scope.insert_or_assign(f.name, s);
    }  // otherwise an error, but only where it is used
  }
  for (const Variable& v : m.variables) {
    if (v.linkage != Linkage::external || scope.count(v.name) != 0) continue;
    if (const auto it = exported_.find(v.name); it != exported_.end())
      scope.insert_or_assign(v.name, it->second);
  }
  for (const Alias& a : m.aliases) {
    const Symbol* target = find(module, a.target);
    if (target == nullptr) throw PtxError(0, "unresolved symbol '" + a.target + "' in .alias");
    place(module, a.name, Linkage::visible, *target);
  }
}

void Linker::initialise(int module) {
  for (const Variable& v : modules_[static_cast<size_t>(module)].variables) {
    if (v.linkage == Linkage::external || v.init.empty()) continue;
    const Symbol* self = find(module, v.name);
    if (self == nullptr || self->kind != Symbol::Kind::global) continue;
    GlobalData& g = program_->globals[static_cast<size_t>(self->index)];
    if (!g.bytes.empty()) continue;
    g.bytes.assign(v.bytes(), 0);
    const size_t size = v.type.bytes();
    for (size_t i = 0; i < v.init.size() && (i + 1) * size <= g.bytes.size(); ++i) {
      const InitItem& item = v.init[i];
      if (item.symbol.empty()) {
        const uint64_t bits = element_bits(item, v.type);
        std::memcpy(g.bytes.data() + i * size, &bits, std::min<size_t>(size, 8));
        continue;
      }
      const Symbol* s = find(module, item.symbol);
      if (s == nullptr)
        throw PtxError(v.line,
                       "unresolved symbol '" + item.symbol + "' in the initialiser of '" + v.name + "'");
      Relocation r;
      r.at = i * size;
      r.kind = s->kind == Symbol::Kind::function ? Relocation::Kind::function : Relocation::Kind::global;
      if (s->kind != Symbol::Kind::function && s->kind != Symbol::Kind::global)
        throw PtxError(v.line, "'" + item.symbol + "' has no address to initialise '" + v.name + "' with");
      r.index = s->index;
      r.addend = item.addend;
      r.mask = item.mask;
      r.size = static_cast<int>(size);
      g.relocations.push_back(r);
    }
  }
}

void Linker::collect_names(const std::vector<Statement>& body, std::set<std::string>* names) const {
  const auto operand = [&](const auto& self, const Operand& o) -> void {
    if (!o.name.empty() && o.name[0] != '%') names->insert(o.name);
    for (const Operand& item : o.items) self(self, item);
  };
  for (const Statement& s : body) {
    for (const Operand& o : s.operands) operand(operand, o);
    collect_names(s.body, names);
  }
}

void Linker::reach(int function, std::set<int>* functions) const {
  if (!functions->insert(function).second) return;
  const int module = program_->functions[static_cast<size_t>(function)]->module;
  for (const std::string& name : names_used_[static_cast<size_t>(function)]) {
    const Symbol* s = find(module, name);
    if (s != nullptr && s->kind == Symbol::Kind::function) reach(s->index, functions);
  }
}

// A shared variable gets one address for the whole program, behind everything else that any kernel using it
// has.
void Linker::lay_out_shared() {
  const size_t count = program_->functions.size();
  names_used_.resize(count);
  for (size_t i = 0; i < count; ++i) collect_names(declarations_[i]->body, &names_used_[i]);
  std::map<Symbol*, std::vector<size_t>> users;
  std::vector<Symbol*> order;
  std::set<size_t> dynamic;
  for (size_t k = 0; k < count; ++k) {
    if (!program_->functions[k]->entry) continue;
    std::set<int> functions;
    reach(static_cast<int>(k), &functions);
    for (const int f : functions) {
      const int module = program_->functions[static_cast<size_t>(f)]->module;
      for (const std::string& name : names_used_[static_cast<size_t>(f)]) {
        auto* s = const_cast<Symbol*>(find(module, name));
        if (s == nullptr) continue;
        if (s->kind == Symbol::Kind::dynamic_shared) dynamic.insert(k);
        if (s->kind != Symbol::Kind::shared) continue;
        auto& list = users[s];
        if (list.empty()) order.push_back(s);
        if (list.empty() || list.back() != k) list.push_back(k);
      }
    }
  }
  std::vector<uint64_t> end(count, 0);
  for (size_t k = 0; k < count; ++k) {  // what a kernel declares in its own body comes first
    if (program_->functions[k]->entry) end[k] = scoped_shared(declarations_[k]->body, 0);
  }
  for (Symbol* s : order) {
    uint64_t at = 0;
    for (const size_t k : users[s]) at = std::max(at, end[k]);
    s->offset = align_up(at, std::max<size_t>(s->variable->alignment, 1));
    for (const size_t k : users[s]) end[k] = s->offset + s->variable->bytes();
  }
  for (const size_t k : dynamic) dynamic_base_ = std::max(dynamic_base_, end[k]);
  dynamic_base_ = align_up(dynamic_base_, 128);
  for (size_t k = 0; k < count; ++k) {
    program_->functions[k]->info.static_shared_bytes = end[k];
    program_->functions[k]->dynamic_shared_base = dynamic.count(k) != 0 ? dynamic_base_ : end[k];
  }
}

const Symbol* Linker::find(int module, const std::string& name) const {
  const Scope& scope = scopes_[static_cast<size_t>(module)];
  const auto it = scope.find(name);
  return it == scope.end() ? nullptr : &it->second;
}

void Linker::run() {
  scopes_.resize(modules_.size());
  const int count = static_cast<int>(modules_.size());
  // Strong definitions come before weak ones, so that those give way.
  for (int i = 0; i < count; ++i) define_functions(i);
  for (int i = 0; i < count; ++i) define_variables(i);
  for (int i = 0; i < count; ++i) resolve_declarations(i);
  for (int i = 0; i < count; ++i) initialise(i);
  lay_out_shared();
}

}  // namespace softgpu
