// SPDX-License-Identifier: BSD-3-Clause
#include "current.h"

#include <vector>

#include "green.h"

namespace softgpu::driver {
namespace {

thread_local std::vector<Current> stack;

}  // namespace

CUcontext Current::handle() const { return green ? green->as_context : context->handle(); }

std::shared_ptr<Context> current_context() { return stack.empty() ? nullptr : stack.back().context; }

std::shared_ptr<GreenContext> current_green() { return stack.empty() ? nullptr : stack.back().green; }

std::shared_ptr<GreenContext> green_behind(Stream& stream) {
  const bool is_default = &stream == owner(stream)->legacy_stream().get();
  return is_default ? current_green() : stream.green;
}

void push_context(Current current) { stack.push_back(std::move(current)); }

std::optional<Current> pop_context() {
  if (stack.empty()) return std::nullopt;
  Current top = std::move(stack.back());
  stack.pop_back();
  return top;
}

void set_context(std::optional<Current> current) {
  if (!stack.empty()) stack.pop_back();
  if (current) stack.push_back(std::move(*current));
}

Current named(CUcontext handle) {
  if (auto context = registry<Context>().find(handle)) return {std::move(context), nullptr};
  std::shared_ptr<GreenContext> green = registry<GreenFront>().get(handle, CUDA_ERROR_INVALID_CONTEXT)->green;
  return {green->context, green};
}

std::shared_ptr<Context> context_of(CUcontext handle) {
  std::shared_ptr<Context> context = handle ? named(handle).context : current_context();
  require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  return context;
}

}  // namespace softgpu::driver
