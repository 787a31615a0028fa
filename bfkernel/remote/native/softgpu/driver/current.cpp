// SPDX-License-Identifier: BSD-3-Clause
#include "current.h"

#include <vector>

namespace softgpu::driver {
namespace {

thread_local std::vector<std::shared_ptr<Context>> stack;

}  // namespace

std::shared_ptr<Context> current_context() { return stack.empty() ? nullptr : stack.back(); }

void push_context(std::shared_ptr<Context> context) { stack.push_back(std::move(context)); }

std::shared_ptr<Context> pop_context() {
  if (stack.empty()) return nullptr;
  std::shared_ptr<Context> top = std::move(stack.back());
  stack.pop_back();
  return top;
}

void set_context(std::shared_ptr<Context> context) {
  if (!stack.empty()) stack.pop_back();
  if (context) stack.push_back(std::move(context));
}

std::shared_ptr<Context> context_of(CUcontext handle) {
  std::shared_ptr<Context> context = handle ? registry<Context>().find(handle) : current_context();
  require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  return context;
}

}  // namespace softgpu::driver
