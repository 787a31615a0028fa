// SPDX-License-Identifier: BSD-3-Clause
// The calling thread's stack of current contexts, and how entry points start.
#pragma once

#include <memory>

#include "api.h"
#include "context.h"

namespace softgpu::driver {

// The top of the calling thread's stack; null when empty.
std::shared_ptr<Context> current_context();
void push_context(std::shared_ptr<Context> context);
// Null when the stack is empty.
std::shared_ptr<Context> pop_context();
void set_context(std::shared_ptr<Context> context);

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
