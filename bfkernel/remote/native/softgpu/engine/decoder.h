// SPDX-License-Identifier: BSD-3-Clause
// Turns one function's statements into instructions with handlers and operands.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/lexer.h"
#include "engine/linker.h"
#include "engine/registry.h"

namespace softgpu {

struct Fragment;

// An instruction before registers have rows: register operands hold the register's number times four.
struct Draft {
  Instr ins;
  uint8_t defines = 0;         // bit k: o[k] is written
  uint8_t reads = 0;           // bit k: o[k] is read
  int target = -1;             // label
  bool ends = false;           // control never falls through
  bool flow = false;           // ends a basic block
  std::vector<uint32_t> wide;  // operands of Instr::more
  size_t wide_defines = 0;     // how many of them, from the front, are written
  std::vector<int> table;      // labels of an indexed branch
};

struct Register {
  uint32_t bytes = 4;
};

// Distributes rows: registers that are never live together share one. Fills in all operands.
void allocate_registers(Function* f, std::vector<Draft>& code, const std::vector<Register>& registers,
                        const std::vector<size_t>& labels, const std::vector<uint32_t>& entry_registers,
                        const std::vector<uint32_t>& result_registers);

// The program's constant rows while it is built. Equal constants share a row.
class ConstantPool {
 public:
  explicit ConstantPool(Program* program) : program_(program) {}
  uint32_t value(uint64_t bits, uint32_t bytes);
  uint32_t address(Relocation::Kind kind, int index, int64_t addend);

 private:
  uint32_t append(uint64_t bits, uint32_t bytes);
  Program* program_;
  std::map<std::pair<uint64_t, uint32_t>, uint32_t> values_;
  std::map<std::tuple<int, int, int64_t>, uint32_t> addresses_;
};

class Decoder {
 public:
  Decoder(const Linker& linker, Program* program, ConstantPool* pool, int function);
  void run();

 private:
  // ---- names (decoder_names.cpp) ----
  struct Range {
    Type type;
    int count;
  };
  struct Local {
    Space space;
    uint32_t offset;
    uint32_t size;
    bool entry_param = false;
    int reg = -1;
    uint64_t shared = 0;
  };
  struct Scope {
    std::unordered_map<std::string, Range> ranges;
    std::unordered_map<std::string, uint32_t> registers;
    std::unordered_map<std::string, Local> locals;
    std::unordered_map<std::string, int> labels;
    std::unordered_map<std::string, const Statement*> tables;
  };
  void declare(const Variable& v);
  void declare_params();
  uint32_t local_space(size_t size, size_t alignment);
  std::optional<uint32_t> find_register(const std::string& name);
  const Local* find_local(const std::string& name) const;
  int find_label(const std::string& name) const;
  const Statement* find_table(const std::string& name) const;
  const Symbol& symbol(const std::string& name) const;
  uint32_t new_register(uint32_t bytes);
  int new_label();
  void place_label(int label);

  // ---- operands (decoder_operands.cpp) ----
  uint32_t source(const Operand& o, char letter);
  uint32_t target(const Operand& o, char letter);
  uint32_t constant(const Operand& o, char letter);
  uint32_t address_of(const std::string& name, int64_t offset, uint32_t bytes);
  uint32_t special(const Operand& o, uint32_t bytes);
  uint32_t predicate(const std::string& name, bool negated);
  struct Address {
    uint32_t operand = kNoOperand;
    int64_t imm = 0;
    std::string kind;
  };
  Address address(const Operand& o, const std::string& space);
  uint32_t widen(uint32_t operand);
  static uint32_t width(char letter);
  uint32_t register_bytes(uint32_t operand) const;

  // ---- instructions ----
  [[noreturn]] void fail(const std::string& what) const;
  Draft& emit(const std::string& key, std::initializer_list<uint32_t> defines,
              std::initializer_list<uint32_t> reads, uint32_t aux = 0);
  void bind(const std::string& key, uint32_t aux = 0);
  void bind(const Registry::Entry& entry, uint32_t aux);
  void block(const std::vector<Statement>& body);
  void statement(const Statement& s);
  void instruction();
  bool has(const char* modifier) const;
  Type last_type() const;

  void decode_mov();
  void decode_real();
  void decode_setp();
  void decode_set();
  void decode_selp();
  void decode_slct();
  void decode_logic();
  void decode_convert();
  void decode_cvta();
  void decode_isspacep();
  void decode_load();
  void decode_store();
  void decode_atomic();
  void decode_async_copy();
  void decode_copy_arrival();
  void decode_prefetch();
  void decode_branch();
  void decode_indexed_branch();
  void decode_call();
  void decode_barrier();
  void decode_mbarrier();
  void decode_fence();
  void decode_shuffle();
  void decode_vote();
  void decode_collective();
  void decode_ignored();
  void decode_plain();
  void decode_szext();
  void decode_prmt();
  void decode_ldmatrix();
  void decode_mma();
  void decode_wmma_access();
  void append_fragment(const Operand& o, const Fragment& f, bool written, std::vector<uint32_t>* wide);
  void decode_end();
  void decode_texture();
  void decode_texture_query();
  void decode_surface();
  void decode_surface_reduction();
  struct Shape;
  Shape shape_of(const std::string& geometry) const;
  const Operand& handle_and_place(const Operand& o, std::vector<uint32_t>* wide);
  void append_place(const Operand& place, const Shape& shape, char letter, std::vector<uint32_t>* wide);
  void append_items(const Operand& o, size_t count, char letter, std::vector<uint32_t>* wide);
  Draft& emit_wide(const std::string& key, std::vector<uint32_t> wide, size_t defines, uint32_t aux);
  void memory_modifiers(std::string* space, int* vector, Type* type, bool* spins);
  uint32_t compare(const std::string& cmp, const Type& type, const Operand& a, const Operand& b);
  bool changes_flow() const;
  void finish();

  using Method = void (Decoder::*)();
  static const std::unordered_map<std::string, Method>& families();

  const Linker& linker_;
  Program* program_;
  ConstantPool* pool_;
  const FunctionDecl& decl_;
  Function* out_;
  int module_;
  const Statement* s_ = nullptr;  // being decoded
  std::vector<Scope> scopes_;
  std::vector<Register> registers_;
  std::vector<Draft> code_;
  std::vector<size_t> labels_;  // position, by label number
  std::unordered_map<std::string, uint32_t> mnemonic_index_;
  uint32_t guard_ = kNoOperand;
  std::optional<uint32_t> carry_;
  uint64_t scoped_shared_ = 0;  // bytes of .shared variables declared in the body so far
  std::vector<uint32_t> entry_registers_;
  std::vector<uint32_t> result_registers_;
};

}  // namespace softgpu
