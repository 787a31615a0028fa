// SPDX-License-Identifier: BSD-3-Clause
// The calling thread's stack of current contexts, and how entry points start.
#pragma once

#include <memory>
#include <optional>

#include "api.h"
#include "context.h"

namespace softgpu::driver {

class GreenContext;

// What a context handle means: a context, and the part of its device where the handle is of a green one.
struct Current {
  std::shared_ptr<Context> context;
  std::shared_ptr<GreenContext> green;
  CUcontext handle() const;
};

// The top of the calling thread's stack; null when empty.
std::shared_ptr<Context> current_context();
std::shared_ptr<GreenContext> current_green();  // null also where an ordinary context is current
// Whose part of the device a stream runs on: its own, or for a default stream the current context's.
std::shared_ptr<GreenContext> green_behind(Stream& stream);
void push_context(Current current);
// Nothing when the stack is empty.
std::optional<Current> pop_context();
void set_context(std::optional<Current> current);

// What a handle means. Throws INVALID_CONTEXT.
Current named(CUcontext handle);
// The context a handle means; null means the current one. Throws INVALID_CONTEXT.
std::shared_ptr<Context> context_of(CUcontext handle);

// For entry points that need no more than cuInit.
template <typename Body>
CUresult with_driver(Body&& body) noexcept {
  return guarded([&] { return body(Driver::get()); });
}

// For entry points that work in the current context. Refuses when there is none, when it is gone, and when a
// kernel has ruined it.
template <typename Body>
CUresult with_context(Body&& body) noexcept {
  return guarded([&] {
    Driver::get();
    std::shared_ptr<Context> context = current_context();
    require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
    context->check();
    return body(*context);
  });
}

}  // namespace softgpu::driver
