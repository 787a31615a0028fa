// SPDX-License-Identifier: BSD-3-Clause
// Making, ending and switching contexts.
#include "capture.h"
#include "current.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kFlags = CU_CTX_FLAGS_MASK;

bool valid_flags(unsigned flags) {
  unsigned schedule = flags & CU_CTX_SCHED_MASK;
  bool one_policy = (schedule & (schedule - 1)) == 0;
  return (flags & ~kFlags) == 0 && one_policy;
}

CUresult create(CUcontext* pctx, unsigned flags, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(pctx != nullptr && valid_flags(flags));
    auto context = std::make_shared<Context>(driver.device(dev), flags, false);
    driver.add(context);
    *pctx = registry<Context>().add<CUcontext>(context);
    push_context({context, nullptr});
  });
}

}  // namespace

SOFTGPU_API cuCtxCreate_v2(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  return create(pctx, flags, dev);
}

SOFTGPU_API cuCtxCreate_v3(CUcontext* pctx, CUexecAffinityParam*, int numParams, unsigned int flags,
                           CUdevice dev) {
  return numParams == 0 ? create(pctx, flags, dev) : CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

SOFTGPU_API cuCtxCreate_v4(CUcontext* pctx, CUctxCreateParams* params, unsigned int flags, CUdevice dev) {
  if (params && params->numExecAffinityParams > 0) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  if (params && params->cigParams) return CUDA_ERROR_NOT_SUPPORTED;
  return create(pctx, flags, dev);
}

SOFTGPU_API cuCtxDestroy_v2(CUcontext ctx) {
  return with_driver([&](Driver&) {
    std::shared_ptr<Context> context = registry<Context>().get(ctx, CUDA_ERROR_INVALID_CONTEXT);
    require(!context->primary, CUDA_ERROR_INVALID_CONTEXT);
    require(registry<Context>().remove(ctx) != nullptr, CUDA_ERROR_INVALID_CONTEXT);
    if (current_context() == context) pop_context();
    context->tear_down();
  });
}

// Contexts have had no use count since CUDA 4: attaching and detaching are creation's relics.
SOFTGPU_API cuCtxDetach(CUcontext ctx) { return cuCtxDestroy_v2(ctx); }

SOFTGPU_API cuCtxPushCurrent_v2(CUcontext ctx) {
  return with_driver([&](Driver&) { push_context(named(ctx)); });
}

SOFTGPU_API cuCtxPopCurrent_v2(CUcontext* pctx) {
  return with_driver([&](Driver&) {
    std::optional<Current> popped = pop_context();
    require(popped.has_value(), CUDA_ERROR_INVALID_CONTEXT);
    if (pctx) *pctx = popped->handle();
  });
}

SOFTGPU_API cuCtxSetCurrent(CUcontext ctx) {
  return with_driver([&](Driver&) { set_context(ctx ? std::optional(named(ctx)) : std::nullopt); });
}

SOFTGPU_API cuCtxGetCurrent(CUcontext* pctx) {
  return with_driver([&](Driver&) {
    require(pctx != nullptr);
    *pctx = current_context() ? Current{current_context(), current_green()}.handle() : nullptr;
  });
}

SOFTGPU_API cuCtxGetDevice(CUdevice* device) { return cuCtxGetDevice_v2(device, nullptr); }

SOFTGPU_API cuCtxGetDevice_v2(CUdevice* device, CUcontext ctx) {
  return with_driver([&](Driver&) {
    require(device != nullptr);
    *device = context_of(ctx)->device.ordinal;
  });
}

SOFTGPU_API cuCtxSynchronize() { return cuCtxSynchronize_v2(nullptr); }

SOFTGPU_API cuCtxSynchronize_v2(CUcontext ctx) {
  return with_driver([&](Driver&) {
    std::shared_ptr<Context> context = context_of(ctx);
    context->check();
    not_in_capture_in(*context);
    not_in_unsafe_capture();
    return context->synchronize();
  });
}

SOFTGPU_API cuDevicePrimaryCtxRetain(CUcontext* pctx, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(pctx != nullptr);
    Context& context = *driver.device(dev).primary;
    retain_primary(context);
    *pctx = context.handle();
  });
}

SOFTGPU_API cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
  return with_driver([&](Driver& driver) { release_primary(*driver.device(dev).primary); });
}

// Whoever has retained the context keeps a handle that works again, with nothing in it.
SOFTGPU_API cuDevicePrimaryCtxReset_v2(CUdevice dev) {
  return with_driver([&](Driver& driver) {
    Context& context = *driver.device(dev).primary;
    context.tear_down();
    context.active = context.retained.load() > 0;
  });
}

SOFTGPU_API cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags) {
  return with_driver([&](Driver& driver) {
    require(valid_flags(flags));
    driver.device(dev).primary->flags = flags;
  });
}

SOFTGPU_API cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int* flags, int* active) {
  return with_driver([&](Driver& driver) {
    require(flags != nullptr && active != nullptr);
    Context& context = *driver.device(dev).primary;
    *flags = context.flags;
    *active = context.active;
  });
}
