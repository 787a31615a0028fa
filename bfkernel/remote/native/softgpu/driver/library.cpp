// SPDX-License-Identifier: BSD-3-Clause
#include "library.h"

#include "memory.h"

namespace softgpu::driver {

std::shared_ptr<FunctionSettings> LibraryKernel::settings_on(const Device& device) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<FunctionSettings>& settings = settings_[device.ordinal];
  if (!settings) settings = std::make_shared<FunctionSettings>();
  return settings;
}

std::shared_ptr<Function> LibraryKernel::function_in(Context& context) {
  std::shared_ptr<Library> owner = library.lock();
  require(owner != nullptr, CUDA_ERROR_INVALID_HANDLE);
  std::shared_ptr<Function> function = owner->module_in(context)->function(name);
  require(function != nullptr, CUDA_ERROR_NOT_FOUND);
  return function;
}

void Library::add_kernels() {
  for (const std::string& name : kernel_names(*program_)) {
    auto kernel = std::make_shared<LibraryKernel>(weak_from_this(), name, find_kernel(*program_, name));
    registry<LibraryKernel>().add<CUkernel>(kernel);
    kernels_.push_back(std::move(kernel));
  }
}

std::shared_ptr<Module> Library::module_in(Context& context) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<Module>& module = modules_[context.id];
  if (module && !module->retired) return module;  // a context that was reset has retired it
  module = load_module(context, program_, &managed_);
  for (const auto& kernel : kernels_) {
    std::shared_ptr<Function> function = module->function(kernel->name);
    function->settings = kernel->settings_on(context.device);
    function->library_kernel = kernel;
  }
  return module;
}

std::shared_ptr<LibraryKernel> Library::kernel(const std::string& name) const {
  for (const auto& kernel : kernels_) {
    if (kernel->name == name) return kernel;
  }
  return nullptr;
}

void Library::unload() {
  std::lock_guard lock(mutex_);
  for (const auto& kernel : kernels_) registry<LibraryKernel>().remove(kernel->handle());
  for (const auto& [id, module] : modules_) {
    if (auto context = module->context.lock()) context->forget_module(module);
    retire(*module);
  }
  modules_.clear();
  for (const auto& [name, address] : managed_) free_internal(address);
  managed_.clear();
}

}  // namespace softgpu::driver
