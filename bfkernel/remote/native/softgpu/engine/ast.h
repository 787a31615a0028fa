// SPDX-License-Identifier: BSD-3-Clause
// What the parser makes of one PTX text. Names are not resolved here.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace softgpu {

// .u32 is {'u', 32}, .bf16 is {'g', 16}; packed forms (f16x2) keep their element kind and the full width.
struct Type {
  char kind = 'b';  // u s b f (ieee float) g (bfloat) p (predicate)
  int bits = 32;
  bool packed = false;

  size_t bytes() const { return kind == 'p' ? 4 : static_cast<size_t>(bits) / 8; }
  bool is_signed() const { return kind == 's'; }
  bool is_float() const { return kind == 'f' || kind == 'g'; }
};

// ".u32" or "u32"; false if it is no type.
bool parse_type(std::string_view text, Type* out);

struct Operand {
  enum class Kind { name, integer, real32, real64, address, vector, list, sink };
  Kind kind = Kind::sink;
  std::string name;            // register, variable, label; of an address: its base (may be empty)
  std::string component;       // "x" of %tid.x
  std::string pair;            // q of p|q
  bool negated = false;        // !p or -r
  uint64_t bits = 0;           // number
  int64_t offset = 0;          // of an address, or of a name (symbol+4)
  std::vector<Operand> items;  // of a vector or list; of an address: what follows a comma in it
};

enum class Linkage { internal, visible, external, weak, common };
enum class Space { none, reg, param, global, constant, shared, local, generic };

// One element of an initialiser: a number, or an address of a symbol of which `mask` selects bytes.
struct InitItem {
  uint64_t bits = 0;
  std::string symbol;
  int64_t addend = 0;
  uint64_t mask = ~0ull;
  Operand::Kind kind = Operand::Kind::integer;
};

struct Variable {
  Space space = Space::none;
  Linkage linkage = Linkage::internal;
  Type type;
  int lanes = 1;  // 4 for .v4
  size_t alignment = 1;
  bool aligned = false;  // .align was given
  std::string name;
  int count = 0;  // %r<count>; 0: a single name
  bool array = false;
  bool unsized = false;  // name[]
  uint64_t elements = 1;
  bool pointer = false;  // .ptr
  bool managed = false;  // .attribute(.managed)
  std::vector<InitItem> init;
  int line = 0;

  size_t bytes() const { return type.bytes() * static_cast<size_t>(lanes) * elements; }
};

struct Prototype {
  std::vector<Variable> returns;
  std::vector<Variable> params;
};

struct Statement {
  enum class Kind { instruction, label, block, variable, prototype, targets };
  Kind kind = Kind::instruction;
  int line = 0;
  // instruction
  std::string guard;
  bool guard_negated = false;
  std::string opcode;                  // "ld"
  std::vector<std::string> modifiers;  // "global", "L1::no_allocate", "u32"
  std::vector<Operand> operands;
  // label, prototype, targets
  std::string name;
  Prototype prototype;
  std::vector<std::string> targets;
  // block
  std::vector<Statement> body;
  Variable variable;

  std::string mnemonic() const {
    std::string s = opcode;
    for (const std::string& m : modifiers) s += "." + m;
    return s;
  }
};

struct FunctionDecl {
  std::string name;
  Linkage linkage = Linkage::internal;
  bool entry = false;
  bool defined = false;
  Prototype signature;
  std::vector<Statement> body;
  std::array<int, 3> required_block = {0, 0, 0};
  std::array<int, 3> max_block = {0, 0, 0};
  std::array<int, 3> required_cluster = {0, 0, 0};
  int max_registers = 0;
  int line = 0;
};

struct Alias {
  std::string name;
  std::string target;
};

struct Module {
  int version = 0;  // 10 * major + minor
  int target = 0;   // 80 of sm_80
  int address_size = 64;
  std::vector<Variable> variables;
  std::vector<FunctionDecl> functions;
  std::vector<Alias> aliases;
};

}  // namespace softgpu
