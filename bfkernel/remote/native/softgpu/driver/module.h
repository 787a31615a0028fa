// SPDX-License-Identifier: BSD-3-Clause
// Modules: programs placed in a context's memory, and their functions.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "context.h"
#include "engine/engine.h"

namespace softgpu::driver {

// What a program may set on a function. A library's kernel has one for each device, which its functions
// share.
struct FunctionSettings {
  std::atomic<int> max_dynamic_shared{-1};  // -1: what fits without asking
  std::atomic<int> carveout{-1};
  std::atomic<int> cache_config{CU_FUNC_CACHE_PREFER_NONE};
  std::atomic<int> non_portable_cluster{0};
  std::atomic<int> cluster_policy{0};
  std::atomic<bool> refused{false};  // a launch was refused because it is machine code, and said so
};

struct Function {
  std::weak_ptr<Module> module;
  const Kernel* kernel = nullptr;  // lives as long as the module
  std::string name;
  std::shared_ptr<FunctionSettings> settings = std::make_shared<FunctionSettings>();
  std::weak_ptr<void> library_kernel;  // set where a library's kernel stands behind it

  CUfunction handle() { return reinterpret_cast<CUfunction>(this); }
};

class Module {
 public:
  // Managed variables by name: one of each for all of a library's modules.
  using Managed = std::map<std::string, uint64_t>;

  // `shared`: those of the library so far, to which this module's are added; null: it belongs to none.
  Module(const std::shared_ptr<Context>& context, std::shared_ptr<const Program> program, Managed* shared);

  struct Global {
    uint64_t address;
    size_t size;
    bool managed;
  };
  std::shared_ptr<Function> function(const std::string& name) const;  // null when there is none
  const Global* global(const std::string& name) const;
  const std::vector<std::shared_ptr<Function>>& functions() const { return functions_; }
  const Instance& instance() const { return *instance_; }
  CUmodule handle() { return reinterpret_cast<CUmodule>(this); }

  const std::weak_ptr<Context> context;
  std::atomic<bool> retired{false};

 private:
  friend std::shared_ptr<Module> load_module(Context& context, std::shared_ptr<const Program> program,
                                             Managed* shared);
  friend void retire(Module& module);
  void add_functions(const std::shared_ptr<Module>& self);

  std::shared_ptr<const Program> program_;
  std::unique_ptr<Instance> instance_;
  std::map<std::string, Global> globals_;
  std::vector<std::shared_ptr<Function>> functions_;
  std::unordered_map<std::string, std::shared_ptr<Function>> by_name_;
  std::vector<uint64_t> owned_;  // the variables that end with it
};

// Compiles, or finds the same program compiled before in this process. Throws INVALID_PTX with log->error
// set.
std::shared_ptr<const Program> compile_shared(const std::vector<std::string>& texts, int max_registers,
                                              JitLog* log);
// Reads an image, compiles it and fills in the log buffers, whether it works or not.
std::shared_ptr<const Program> compile_image(const void* image, std::array<int, 2> compute_capability,
                                             unsigned option_count, CUjit_option* options, void** values);
// Places a program in a context and makes its handles live.
std::shared_ptr<Module> load_module(Context& context, std::shared_ptr<const Program> program,
                                    Module::Managed* shared = nullptr);
// Ends the module's handles and frees its variables. Work that still runs keeps the program itself.
void retire(Module& module);

// The function a handle means in this context; a library's kernel is as good. Throws INVALID_HANDLE.
std::shared_ptr<Function> resolve_function(Context& context, CUfunction handle);
// The whole contents of a file. Throws FILE_NOT_FOUND.
std::string read_image_file(const char* path);

}  // namespace softgpu::driver
