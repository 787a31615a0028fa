// SPDX-License-Identifier: BSD-3-Clause
// Libraries: programs without a context. In each context where one is used it becomes a module.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "module.h"

namespace softgpu::driver {

class Library;

class LibraryKernel : public std::enable_shared_from_this<LibraryKernel> {
 public:
  LibraryKernel(std::weak_ptr<Library> library, std::string name, const Kernel* kernel)
      : library(std::move(library)), name(std::move(name)), kernel(kernel) {}

  std::shared_ptr<Function> function_in(Context& context);
  std::shared_ptr<FunctionSettings> settings_on(const Device& device);
  CUkernel handle() { return reinterpret_cast<CUkernel>(this); }

  const std::weak_ptr<Library> library;
  const std::string name;
  const Kernel* const kernel;

 private:
  std::mutex mutex_;
  std::map<int, std::shared_ptr<FunctionSettings>> settings_;
};

class Library : public std::enable_shared_from_this<Library> {
 public:
  explicit Library(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  void add_kernels();
  std::shared_ptr<Module> module_in(Context& context);
  std::shared_ptr<LibraryKernel> kernel(const std::string& name) const;
  const std::vector<std::shared_ptr<LibraryKernel>>& kernels() const { return kernels_; }
  // Ends all handles, and its modules in all contexts.
  void unload();

 private:
  const std::shared_ptr<const Program> program_;
  std::mutex mutex_;
  std::map<unsigned long long, std::shared_ptr<Module>> modules_;  // by context id
  std::vector<std::shared_ptr<LibraryKernel>> kernels_;
  Module::Managed managed_;  // outlives the modules
};

}  // namespace softgpu::driver
