// SPDX-License-Identifier: BSD-3-Clause
// Green contexts: a part of a device's multiprocessors under a name. All multiprocessors of an emulated
// device are the machine's processor cores, so a part is bookkeeping: its streams run like any others of the
// primary context.
#pragma once

#include <atomic>
#include <memory>

#include "context.h"

namespace softgpu::driver {

class GreenContext {
 public:
  GreenContext(Device& device, const CUdevResource& multiprocessors);
  ~GreenContext();
  GreenContext(const GreenContext&) = delete;
  CUgreenCtx handle() { return reinterpret_cast<CUgreenCtx>(this); }

  const std::shared_ptr<Context> context;  // the device's primary one, retained
  const CUdevResource multiprocessors;
  const unsigned long long id;
  CUcontext as_context = nullptr;  // what cuCtxFromGreenCtx returns; set before anybody else knows it
  std::atomic<bool> ended{false};
};

// What stands behind the context that is made of a green one.
struct GreenFront {
  std::shared_ptr<GreenContext> green;
};

}  // namespace softgpu::driver
