// SPDX-License-Identifier: BSD-3-Clause
#include "module.h"

#include <fstream>
#include <iterator>
#include <unordered_map>

#include "image.h"
#include "jit_options.h"
#include "library.h"
#include "memory.h"

namespace softgpu::driver {
namespace {

// Two variables never share an allocation, so that an access past the end of one is noticed.
size_t allocation_size(const GlobalInfo& global) { return std::max<size_t>(global.size, 1); }

std::string cache_key(const std::vector<std::string>& texts, int max_registers) {
  std::string key = std::to_string(max_registers) + ";";
  for (const std::string& text : texts) key += std::to_string(text.size()) + ":" + text;
  return key;
}

// Of two limits, where 0 means none.
int fewest(int a, int b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); }

}  // namespace

std::shared_ptr<const Program> compile_shared(const std::vector<std::string>& texts, int max_registers,
                                              JitLog* log) {
  static std::mutex mutex;
  static auto* compiled = new std::unordered_map<std::string, std::weak_ptr<const Program>>;
  std::string key = cache_key(texts, max_registers);
  {
    std::lock_guard lock(mutex);
    auto found = compiled->find(key);
    if (found != compiled->end()) {
      if (auto program = found->second.lock()) return program;
    }
  }
  std::shared_ptr<const Program> program = compile(texts, log, max_registers);
  require(program != nullptr, CUDA_ERROR_INVALID_PTX);
  std::lock_guard lock(mutex);
  std::erase_if(*compiled, [](const auto& item) { return item.second.expired(); });
  compiled->insert_or_assign(std::move(key), program);
  return program;
}

std::shared_ptr<const Program> compile_image(const void* image, std::array<int, 2> compute_capability,
                                             unsigned option_count, CUjit_option* options, void** values) {
  require(image != nullptr);
  JitOptions jit(option_count, options, values);
  JitLog log;
  try {
    Code code = read_image(image, 0, compute_capability, &log);
    std::shared_ptr<const Program> program =
        code.ptx.empty() ? cubin_program(code.cubins, &log)
                         : compile_shared(code.ptx, fewest(code.max_registers, jit.max_registers()), &log);
    jit.report(log);
    return program;
  } catch (const Failure&) {
    jit.report(log);
    throw;
  }
}

Module::Module(const std::shared_ptr<Context>& context, std::shared_ptr<const Program> program,
               Managed* shared)
    : context(context), program_(std::move(program)) {
  std::vector<uint64_t> addresses;
  std::vector<bool> initialised;
  try {
    for (const GlobalInfo& global : softgpu::globals(*program_)) {
      const bool of_library = global.managed && shared != nullptr;
      const auto known = of_library ? shared->find(global.name) : Managed::iterator{};
      initialised.push_back(of_library && known != shared->end());
      if (initialised.back()) {
        addresses.push_back(known->second);
      } else {
        RangeKind kind = global.managed ? RangeKind::managed : RangeKind::device;
        unsigned flags = global.managed ? CU_MEM_ATTACH_GLOBAL : 0;
        addresses.push_back(allocate(*context, allocation_size(global), kind, flags, true, of_library));
        if (!of_library) owned_.push_back(addresses.back());
      }
      globals_[global.name] = {addresses.back(), global.size, global.managed};
    }
  } catch (const Failure&) {
    for (size_t i = 0; i < addresses.size(); ++i)
      if (!initialised[i]) free_internal(addresses[i]);
    throw;
  }
  if (shared != nullptr)
    for (const auto& [name, global] : globals_)
      if (global.managed) shared->emplace(name, global.address);
  instance_ = std::make_unique<Instance>(program_, std::move(addresses), initialised);
}

void Module::add_functions(const std::shared_ptr<Module>& self) {
  for (const std::string& name : kernel_names(*program_)) {
    auto function = std::make_shared<Function>();
    function->module = self;
    function->kernel = find_kernel(*program_, name);
    function->name = name;
    registry<Function>().add<CUfunction>(function);
    by_name_.emplace(name, function);
    functions_.push_back(std::move(function));
  }
}

std::shared_ptr<Function> Module::function(const std::string& name) const {
  auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const Module::Global* Module::global(const std::string& name) const {
  auto found = globals_.find(name);
  return found == globals_.end() ? nullptr : &found->second;
}

std::shared_ptr<Module> load_module(Context& context, std::shared_ptr<const Program> program,
                                    Module::Managed* shared) {
  auto module = std::make_shared<Module>(context.shared_from_this(), std::move(program), shared);
  module->add_functions(module);
  registry<Module>().add<CUmodule>(module);
  context.add_module(module);
  return module;
}

void retire(Module& module) {
  if (module.retired.exchange(true)) return;
  registry<Module>().remove(module.handle());
  for (const auto& function : module.functions_) registry<Function>().remove(function->handle());
  for (uint64_t address : module.owned_) free_internal(address);
}

std::shared_ptr<Function> resolve_function(Context& context, CUfunction handle) {
  if (auto function = registry<Function>().find(handle)) return function;
  auto kernel = registry<LibraryKernel>().get(reinterpret_cast<CUkernel>(handle));
  return kernel->function_in(context);
}

std::string read_image_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), CUDA_ERROR_FILE_NOT_FOUND);
  std::string image{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  image.append(8, '\0');  // a text ends, and a magic can be read, whatever the file holds
  return image;
}

}  // namespace softgpu::driver
