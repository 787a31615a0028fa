// SPDX-License-Identifier: BSD-3-Clause
// Resolves names across the linked texts and lays out variables.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/ast.h"
#include "engine/ir.h"

namespace softgpu {

struct Symbol {
  enum class Kind { global, shared, dynamic_shared, function, builtin };
  Kind kind = Kind::global;
  int index = 0;        // in Program::globals or Program::functions; builtin number
  uint64_t offset = 0;  // shared address
  const Variable* variable = nullptr;
  const FunctionDecl* function = nullptr;
};

class Linker {
 public:
  Linker(const std::vector<Module>& modules, Program* program) : modules_(modules), program_(program) {}

  // Throws PtxError.
  void run();
  // Null: unknown in that module.
  const Symbol* find(int module, const std::string& name) const;
  const FunctionDecl& declaration(int function) const {
    return *declarations_[static_cast<size_t>(function)];
  }
  uint64_t dynamic_shared_base() const { return dynamic_base_; }

 private:
  using Scope = std::map<std::string, Symbol, std::less<>>;
  void define_functions(int module);
  void define_variables(int module);
  void resolve_declarations(int module);
  void initialise(int module);
  void lay_out_shared();
  void collect_names(const std::vector<Statement>& body, std::set<std::string>* names) const;
  void reach(int function, std::set<int>* functions) const;
  void place(int module, const std::string& name, Linkage linkage, const Symbol& symbol);

  const std::vector<Module>& modules_;
  Program* program_;
  std::vector<Scope> scopes_;
  Scope exported_;
  std::vector<const FunctionDecl*> declarations_;
  std::vector<std::set<std::string>> names_used_;
  uint64_t dynamic_base_ = 0;
};

}  // namespace softgpu
