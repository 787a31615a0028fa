// SPDX-License-Identifier: BSD-3-Clause
// Modules and libraries, with the table of kernels that came back when they were loaded.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "shim/handles.h"
#include "shim/kernel_answers.h"
#include "shim/memory.h"
#include "wire/code_messages.h"

namespace shim {

struct CodeTable;

// A kernel: what a launch needs to know is here, so that it asks nobody.
struct FunctionObject : Object {
  CodeTable* owner = nullptr;
  std::string name;
  std::vector<wire::KernelParam> params;
  bool params_known = false;
  uint32_t param_bytes = 0;
  // They do not come with a table of very many kernels, but when somebody asks or launches.
  std::atomic<bool> attributes_known{false};
  std::vector<int32_t> attributes;  // read by who has seen them known
  KernelAnswers answers;
};

// Asks for the attributes of a kernel that came without them.
void learn_attributes(FunctionObject* function);

// What modules and libraries have in common.
struct CodeTable {
  Object* holder = nullptr;  // the module or library
  uint64_t id = 0;
  bool is_library = false;
  bool complete = false;
  std::mutex mutex;
  std::vector<FunctionObject*> kernels;
  std::unordered_map<std::string, FunctionObject*> by_name;
  std::vector<memory::Allocation> globals;  // whose addresses were told to the program

  void fill(Object* of, const wire::LoadReply& reply);
  void clear();
  // Throws Failure{NOT_FOUND}.
  FunctionObject* find(const char* name);
  // `managed`: a library's managed variable is asked for, and no other.
  void global(CUdeviceptr* address, size_t* size, const char* name, bool managed = false);

 private:
  FunctionObject* add(const wire::KernelEntry& entry);
};

// The function that the worker names so; null where there is none.
CUfunction function_named(uint64_t id);

struct ModuleObject : Object {
  CodeTable table;
  LibraryObject* library = nullptr;  // it is that library's, in one context
};

struct LibraryObject : Object {
  struct InContext {
    CUmodule module = nullptr;
    unsigned ends = 0;  // the context's, when the module was made
  };
  CodeTable table;
  std::mutex mutex;
  std::unordered_map<ContextObject*, InContext> modules;
};

}  // namespace shim
