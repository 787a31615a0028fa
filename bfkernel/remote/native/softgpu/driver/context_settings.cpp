// SPDX-License-Identifier: BSD-3-Clause
// What can be asked of and set on a context.
#include "current.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kApiVersion = 3020;  // NVIDIA's driver says so for every context

}  // namespace

SOFTGPU_API cuCtxGetFlags(unsigned int* flags) {
  return with_context([&](Context& context) {
    require(flags != nullptr);
    *flags = context.flags;
  });
}

SOFTGPU_API cuCtxSetFlags(unsigned int flags) {
  return with_context([&](Context& context) {
    require((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) == 0);
    context.flags = flags;
  });
}

SOFTGPU_API cuCtxGetId(CUcontext ctx, unsigned long long* ctxId) {
  return with_driver([&](Driver&) {
    require(ctxId != nullptr);
    *ctxId = context_of(ctx)->id;
  });
}

SOFTGPU_API cuCtxGetApiVersion(CUcontext ctx, unsigned int* version) {
  return with_driver([&](Driver&) {
    require(version != nullptr);
    require(context_of(ctx)->active, CUDA_ERROR_INVALID_CONTEXT);
    *version = kApiVersion;
  });
}

SOFTGPU_API cuCtxGetStreamPriorityRange(int* leastPriority, int* greatestPriority) {
  return with_context([&](Context&) {
    if (leastPriority) *leastPriority = kLeastPriority;
    if (greatestPriority) *greatestPriority = kGreatestPriority;
  });
}

SOFTGPU_API cuCtxGetLimit(size_t* pvalue, CUlimit limit) {
  return with_context([&](Context& context) {
    require(pvalue != nullptr);
    ContextLimits limits = context.limits();
    switch (limit) {
      case CU_LIMIT_STACK_SIZE:
        *pvalue = limits.stack_size;
        break;
      case CU_LIMIT_PRINTF_FIFO_SIZE:
        *pvalue = context.printf.limit();
        break;
      case CU_LIMIT_MALLOC_HEAP_SIZE:
        *pvalue = limits.malloc_heap_size;
        break;
      case CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH:
        *pvalue = limits.sync_depth;
        break;
      case CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT:
        *pvalue = limits.pending_launches;
        break;
      case CU_LIMIT_MAX_L2_FETCH_GRANULARITY:
        *pvalue = limits.l2_fetch_granularity;
        break;
      case CU_LIMIT_PERSISTING_L2_CACHE_SIZE:
      case CU_LIMIT_CIG_ENABLED:  // sharing with a graphics library: cuBLASLt asks
      case CU_LIMIT_CIG_SHMEM_FALLBACK_ENABLED:
        *pvalue = 0;
        break;
      default:
        fail(CUDA_ERROR_UNSUPPORTED_LIMIT);
    }
  });
}

SOFTGPU_API cuCtxSetLimit(CUlimit limit, size_t value) {
  return with_context([&](Context& context) {
    ContextLimits limits = context.limits();
    switch (limit) {
      case CU_LIMIT_STACK_SIZE:
        limits.stack_size = (value + 15) / 16 * 16;
        break;
      case CU_LIMIT_PRINTF_FIFO_SIZE:
        context.printf.set_limit(value);
        break;
      case CU_LIMIT_MALLOC_HEAP_SIZE:
        limits.malloc_heap_size = value;
        break;
      case CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH:
        limits.sync_depth = value;
        break;
      case CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT:
        limits.pending_launches = value;
        break;
      case CU_LIMIT_MAX_L2_FETCH_GRANULARITY:
        limits.l2_fetch_granularity = value;
        break;
      case CU_LIMIT_PERSISTING_L2_CACHE_SIZE:
        require(value == 0);
        break;
      default:
        fail(CUDA_ERROR_UNSUPPORTED_LIMIT);
    }
    context.set_limits(limits);
  });
}

SOFTGPU_API cuCtxGetCacheConfig(CUfunc_cache* pconfig) {
  return with_context([&](Context& context) {
    require(pconfig != nullptr);
    *pconfig = static_cast<CUfunc_cache>(context.cache_config.load());
  });
}

SOFTGPU_API cuCtxSetCacheConfig(CUfunc_cache config) {
  return with_context([&](Context& context) {
    require(config >= CU_FUNC_CACHE_PREFER_NONE && config <= CU_FUNC_CACHE_PREFER_EQUAL);
    context.cache_config = config;
  });
}

SOFTGPU_API cuCtxGetSharedMemConfig(CUsharedconfig* pConfig) {
  return with_context([&](Context& context) {
    require(pConfig != nullptr);
    *pConfig = static_cast<CUsharedconfig>(context.shared_config.load());
  });
}

SOFTGPU_API cuCtxSetSharedMemConfig(CUsharedconfig config) {
  return with_context([&](Context& context) {
    require(config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE);
    context.shared_config = config;
  });
}

SOFTGPU_API cuCtxResetPersistingL2Cache() {
  return with_context([](Context&) {});
}

SOFTGPU_API cuCtxGetExecAffinity(CUexecAffinityParam* pExecAffinity, CUexecAffinityType type) {
  return with_context([&](Context& context) {
    require(pExecAffinity != nullptr && type == CU_EXEC_AFFINITY_TYPE_SM_COUNT);
    pExecAffinity->type = type;
    pExecAffinity->param.smCount.val = context.device.multiprocessors;
  });
}
