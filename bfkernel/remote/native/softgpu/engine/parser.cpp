// SPDX-License-Identifier: BSD-3-Clause
// Recursive descent over the tokens of one PTX text. Debug sections and source positions are skipped.
#include "engine/parser.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <unordered_map>

#include "engine/operand_parser.h"

namespace softgpu {

bool parse_type(std::string_view text, Type* out) {
  static const std::unordered_map<std::string_view, Type> types = {
      {"u8", {'u', 8}},           {"u16", {'u', 16}},         {"u32", {'u', 32}},          {"u64", {'u', 64}},
      {"s8", {'s', 8}},           {"s16", {'s', 16}},         {"s32", {'s', 32}},          {"s64", {'s', 64}},
      {"b8", {'b', 8}},           {"b16", {'b', 16}},         {"b32", {'b', 32}},          {"b64", {'b', 64}},
      {"b128", {'b', 128}},       {"f16", {'f', 16}},         {"f16x2", {'f', 32, true}},  {"f32", {'f', 32}},
      {"f64", {'f', 64}},         {"bf16", {'g', 16}},        {"bf16x2", {'g', 32, true}}, {"pred", {'p', 1}},
      {"u16x2", {'u', 32, true}}, {"s16x2", {'s', 32, true}},
  };
  if (!text.empty() && text[0] == '.') text.remove_prefix(1);
  const auto it = types.find(text);
  if (it == types.end()) return false;
  *out = it->second;
  return true;
}

namespace {

class Parser : private OperandParser {
 public:
  explicit Parser(std::string_view text) : OperandParser(text) {}

  Module run() {
    while (peek().kind != Tok::end) top_level();
    if (module_.version == 0) fail("no .version directive: this is not PTX");
    return std::move(module_);
  }

 private:
  void top_level() {
    const Token& t = peek();
    if (t.is(".version")) return version();
    if (t.is(".target")) return target();
    if (t.is(".address_size")) {
      take();
      module_.address_size = static_cast<int>(integer());
      if (module_.address_size != 64) fail(".address_size 32 is not supported");
      return;
    }
    if (t.is(".file") || t.is(".loc")) return skip_line();
    if (t.is(".section")) {
      while (!peek().is("{")) {
        if (peek().kind == Tok::end) fail("a .section without a body");
        take();
      }
      return skip_braces();
    }
    if (t.is(".pragma")) {
      while (!accept(";")) {
        if (peek().kind == Tok::end) fail("a .pragma without ';'");
        take();
      }
      return;
    }
    if (t.is(".alias")) {
      take();
      Alias alias;
      alias.name = identifier();
      expect(",");
      alias.target = identifier();
      expect(";");
      module_.aliases.push_back(alias);
      return;
    }
    if (accept(";")) return;
    declaration();
  }

  void version() {
    take();
    const Token& t = take();  // "8.0" lexes as a real, "8" never occurs
    if (t.kind != Tok::real64) fail("malformed .version");
    module_.version = static_cast<int>(std::bit_cast<double>(t.bits) * 10 + 0.5);
  }

  void target() {
    take();
    do {
      const std::string name = identifier();
      if (name.rfind("sm_", 0) == 0 || name.rfind("compute_", 0) == 0)
        module_.target = std::atoi(name.c_str() + name.find('_') + 1);
    } while (accept(","));
  }

  Linkage linkage() {
    if (accept(".visible")) return Linkage::visible;
    if (accept(".extern")) return Linkage::external;
    if (accept(".weak")) return Linkage::weak;
    if (accept(".common")) return Linkage::common;
    return Linkage::internal;
  }

  void declaration() {
    const Linkage link = linkage();
    if (peek().is(".entry") || peek().is(".func")) return function(link);
    Space space;
    if (!space_of(peek(), &space)) fail("unexpected '" + std::string(peek().text) + "'");
    for (Variable& v : variable_list()) {
      v.linkage = link;
      module_.variables.push_back(std::move(v));
    }
  }

  static bool space_of(const Token& t, Space* out) {
    static const std::unordered_map<std::string_view, Space> spaces = {
        {".reg", Space::reg},        {".param", Space::param},   {".global", Space::global},
        {".const", Space::constant}, {".shared", Space::shared}, {".local", Space::local}};
    if (t.kind != Tok::directive) return false;
    const auto it = spaces.find(t.text);
    if (it == spaces.end()) return false;
    *out = it->second;
    return true;
  }

  // ".space .align 8 .v4 .f32" in any order, up to the name.
  Variable variable_head() {
    Variable v;
    v.line = peek().line;
    if (!space_of(peek(), &v.space)) fail("expected a state space before '" + std::string(peek().text) + "'");
    take();
    bool typed = false;
    while (peek().kind == Tok::directive) {
      const Token& t = take();
      Space unused;
      if (t.is(".align")) {
        v.alignment = static_cast<size_t>(integer());
        v.aligned = true;
      } else if (t.is(".ptr")) {
        v.pointer = true;
      } else if (v.pointer && space_of(t, &unused)) {
        // where the pointer points to
      } else if (t.is(".v2") || t.is(".v4") || t.is(".v8")) {
        v.lanes = t.text[2] - '0';
      } else if (t.is(".attribute")) {
        expect("(");
        while (!accept(")")) v.managed |= take().is(".managed");
      } else if (parse_type(t.text, &v.type)) {
        typed = true;
      } else {
        throw PtxError(t.line,
                       "unsupported type or attribute '" + std::string(t.text) + "' in a declaration");
      }
    }
    if (!typed) fail("a declaration without a type");
    if (v.pointer) v.alignment = v.type.bytes();
    if (!v.aligned || v.pointer) v.alignment = v.type.bytes() * static_cast<size_t>(v.lanes);
    return v;
  }

  void variable_name(Variable* v) {
    v->name = identifier();
    if (accept("<")) {
      v->count = static_cast<int>(integer());
      expect(">");
    }
    while (accept("[")) {
      v->array = true;
      if (accept("]")) {
        v->unsized = true;
        v->elements = 0;
        continue;
      }
      v->elements *= static_cast<uint64_t>(integer());
      expect("]");
    }
    if (accept("=")) initialiser(v);
  }

  std::vector<Variable> variable_list() {
    const Variable head = variable_head();
    std::vector<Variable> out;
    do {
      Variable v = head;
      variable_name(&v);
      out.push_back(std::move(v));
    } while (accept(","));
    expect(";");
    return out;
  }

  void initialiser(Variable* v) {
    if (peek().is("{")) {
      init_braces(v);
    } else {
      v->init.push_back(init_item());
    }
    if (v->unsized) {
      v->unsized = false;
      v->elements = v->init.size() / static_cast<size_t>(v->lanes);
    }
  }

  void init_braces(Variable* v) {
    expect("{");
    while (!accept("}")) {
      if (peek().is("{"))
        init_braces(v);
      else
        v->init.push_back(init_item());
      if (!peek().is("}")) expect(",");
    }
  }

  InitItem init_item() {
    InitItem item;
    if (peek().kind == Tok::integer && peek(1).is("(")) {  // mask(symbol + 4)
      item.mask = take().bits;
      take();
      item.symbol = symbol_sum(&item.addend);
      expect(")");
      return item;
    }
    if (peek().kind == Tok::identifier) {
      item.symbol = symbol_sum(&item.addend);
      return item;
    }
    const bool negative = accept("-");
    const Token& t = take();
    if (t.kind == Tok::integer) {
      item.bits = negative ? ~t.bits + 1 : t.bits;
    } else if (t.kind == Tok::real32 || t.kind == Tok::real64) {
      item.kind = t.kind == Tok::real32 ? Operand::Kind::real32 : Operand::Kind::real64;
      item.bits = negative ? t.bits ^ (t.kind == Tok::real32 ? 1ull << 31 : 1ull << 63) : t.bits;
    } else {
      throw PtxError(t.line, "syntax error: unexpected '" + std::string(t.text) + "' in an initialiser");
    }
    return item;
  }

  // generic(symbol)+4, symbol-8, symbol
  std::string symbol_sum(int64_t* addend) {
    std::string name = identifier();
    if (name == "generic" && accept("(")) {
      name = symbol_sum(addend);
      expect(")");
    }
    while (peek().is("+") || peek().is("-")) {
      const bool minus = take().is("-");
      const int64_t n = integer();
      *addend += minus ? -n : n;
    }
    return name;
  }

  std::vector<Variable> params() {
    std::vector<Variable> out;
    expect("(");
    while (!accept(")")) {
      Variable v = variable_head();
      if (peek().kind == Tok::identifier)
        variable_name(&v);
      else if (accept("[")) {
        v.array = true;
        v.elements = static_cast<uint64_t>(integer());
        expect("]");
      }
      out.push_back(std::move(v));
      if (!peek().is(")")) expect(",");
    }
    return out;
  }

  std::array<int, 3> up_to_three() {
    std::array<int, 3> n = {1, 1, 1};
    size_t i = 0;
    do n[i++] = static_cast<int>(integer());
    while (i < 3 && accept(","));
    return n;
  }

  void function(Linkage link) {
    FunctionDecl f;
    f.line = peek().line;
    f.linkage = link;
    f.entry = take().is(".entry");
    if (peek().is("(")) f.signature.returns = params();
    f.name = identifier();
    if (peek().is("(")) f.signature.params = params();
    function_directives(&f);
    if (accept(";")) {
      module_.functions.push_back(std::move(f));
      return;
    }
    f.defined = true;
    f.body = block();
    module_.functions.push_back(std::move(f));
  }

  void function_directives(FunctionDecl* f) {
    while (peek().kind == Tok::directive) {
      const Token& t = take();
      if (t.is(".maxntid"))
        f->max_block = up_to_three();
      else if (t.is(".reqntid"))
        f->required_block = up_to_three();
      else if (t.is(".maxnreg"))
        f->max_registers = static_cast<int>(integer());
      else if (t.is(".minnctapersm") || t.is(".maxnctapersm") || t.is(".maxclusterrank"))
        integer();
      else if (t.is(".reqnctapercluster"))
        f->required_cluster = up_to_three();
      else if (t.is(".noreturn") || t.is(".explicitcluster") || t.is(".blocksareclusters"))
        continue;
      else if (t.is(".abi_preserve") || t.is(".abi_preserve_control"))
        integer();
      else if (t.is(".pragma")) {
        while (!accept(";")) take();
      } else {
        throw PtxError(t.line, "unknown function directive '" + std::string(t.text) + "'");
      }
    }
  }

  std::vector<Statement> block() {
    std::vector<Statement> out;
    expect("{");
    while (!accept("}")) {
      if (peek().kind == Tok::end) fail("a '{' is not closed");
      statement(&out);
    }
    return out;
  }

  void statement(std::vector<Statement>* out) {
    const Token& t = peek();
    if (accept(";")) return;
    if (t.is(".loc") || t.is(".file")) return skip_line();
    if (t.is(".pragma")) {
      while (!accept(";")) take();
      return;
    }
    Statement s;
    s.line = t.line;
    if (t.is("{")) {
      s.kind = Statement::Kind::block;
      s.body = block();
      out->push_back(std::move(s));
      return;
    }
    if (t.kind == Tok::directive) {
      for (Variable& v : variable_list()) {
        Statement d;
        d.kind = Statement::Kind::variable;
        d.line = v.line;
        d.variable = std::move(v);
        out->push_back(std::move(d));
      }
      return;
    }
    if (t.kind == Tok::identifier && peek(1).is(":")) return label(out);
    instruction(&s);
    out->push_back(std::move(s));
  }

  void label(std::vector<Statement>* out) {
    Statement s;
    s.line = peek().line;
    s.name = identifier();
    take();
    if (accept(".callprototype")) {
      s.kind = Statement::Kind::prototype;
      if (peek().is("(")) s.prototype.returns = params();
      identifier();
      if (peek().is("(")) s.prototype.params = params();
      while (peek().kind == Tok::directive) {
        if (take().is(".abi_preserve")) integer();
      }
      expect(";");
    } else if (peek().is(".branchtargets") || peek().is(".calltargets")) {
      take();
      s.kind = Statement::Kind::targets;
      do s.targets.push_back(identifier());
      while (accept(","));
      expect(";");
    } else {
      s.kind = Statement::Kind::label;
    }
    out->push_back(std::move(s));
  }

  void instruction(Statement* s) {
    if (accept("@")) {
      s->guard_negated = accept("!");
      s->guard = identifier();
    }
    s->line = peek().line;
    s->opcode = identifier();
    calling_ = s->opcode == "call";
    while (peek().kind == Tok::directive) {
      s->modifiers.emplace_back(take().text.substr(1));
    }
    while (!accept(";")) {
      if (peek().kind == Tok::end) fail("an instruction without ';'");
      s->operands.push_back(operand());
      if (!peek().is(";")) expect(",");
    }
  }

  Module module_;
};

}  // namespace

Module parse(std::string_view text) { return Parser(text).run(); }

}  // namespace softgpu
