// SPDX-License-Identifier: BSD-3-Clause
#include "shim/contexts.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/host_functions.h"
#include "shim/request.h"
#include "shim/thread.h"
#include "wire/device_messages.h"

namespace shim {
namespace {

std::mutex mutex;
std::map<int, ContextObject*>& primaries = *new std::map<int, ContextObject*>;
std::vector<std::function<void(ContextObject*)>>& endings =
    *new std::vector<std::function<void(ContextObject*)>>;

std::mutex made_mutex;
std::vector<ContextObject*>& made = *new std::vector<ContextObject*>;

void learn_limits(ContextObject* context) {
  const auto get = [context](int attribute) {
    return static_cast<uint32_t>(
        devices::attribute(context->visible_device, static_cast<CUdevice_attribute>(attribute)));
  };
  // No GPU ever had a dimension below 64 (block z); a driver that says less does not know, and checks by
  // itself.
  const auto dimension = [&get](int attribute) {
    const uint32_t limit = get(attribute);
    return limit < 64 ? UINT32_MAX : limit;
  };
  for (int i = 0; i < 3; ++i) {
    context->limits.block[i] = dimension(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i);
    context->limits.grid[i] = dimension(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i);
  }
  context->limits.threads = get(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  context->limits.registers = get(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
}

CUcontext handle_of(ContextObject* context) { return reinterpret_cast<CUcontext>(context); }

}  // namespace

ContextObject* current_context() {
  const auto& stack = thread_state().contexts;
  return stack.empty() ? nullptr : stack.back();
}

ContextObject* home_context() {
  ContextObject* context = current_context();
  return context ? context->home : nullptr;
}

uint64_t id_of(CUcontext context) { return contexts::wire_id(context_of(context)); }

ContextObject* context_of(CUcontext context) { return context ? object_of(context) : contexts::current(); }

namespace contexts {

void require_usable(const ContextObject* context) {
  require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  require(context->live.load(std::memory_order_relaxed), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  const CUresult fault = context->home->fault.load(std::memory_order_relaxed);
  require(fault == CUDA_SUCCESS, fault);
}

void note_fault(ContextObject* context, CUresult error) {
  switch (error) {
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
      if (context) context->home->fault = error;
      break;
    default:
      break;
  }
}

bool usable(const ContextObject* context) { return context && context->live; }

std::vector<ContextObject*> all_usable() {
  const std::lock_guard lock(made_mutex);
  std::vector<ContextObject*> found;
  std::copy_if(made.begin(), made.end(), std::back_inserter(found), usable);
  return found;
}

uint64_t wire_id(const ContextObject* context) { return context->live ? context->id : 0; }

ContextObject* current() {
  ContextObject* context = current_context();
  require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  return context;
}

ContextObject* home() { return current()->home; }

ContextObject* make(CUdevice device) {
  const int ordinal = devices::lease_ordinal(device);
  auto* context = store<ContextObject>().allocate();
  context->tag = kObjectTag;
  context->id = next_id();
  context->device = ordinal;
  context->visible_device = device;
  context->home = context;
  context->kind = wire::Kind::context;
  const std::lock_guard lock(made_mutex);
  made.push_back(context);
  return context;
}

void bring_alive(ContextObject* context) {
  learn_limits(context);
  context->fault = CUDA_SUCCESS;
  context->live = true;
}

// A primary context takes its green ones along.
void end(ContextObject* context) {
  for (ContextObject* other : all_usable())
    if (other != context && other->home == context) end(other);
  for (const auto& action : endings) action(context);
  ++context->ends;
  context->live = false;
}

ContextObject* primary(CUdevice device) {
  const int ordinal = devices::lease_ordinal(device);
  const std::lock_guard lock(mutex);
  ContextObject*& context = primaries[ordinal];
  if (!context) {
    context = make(device);
    context->primary = true;
  }
  return context;
}

void set_current(ContextObject* context) {
  auto& stack = thread_state().contexts;
  if (!stack.empty()) stack.pop_back();
  if (context) stack.push_back(context);
}

void on_end(std::function<void(ContextObject*)> action) { endings.push_back(std::move(action)); }

}  // namespace contexts

namespace api {

CUresult cuDevicePrimaryCtxRetain(CUcontext* pctx, CUdevice dev) {
  require(pctx);
  ContextObject* context = contexts::primary(dev);
  devices::info(dev);  // waits for the grant, if need be, before the lock is taken
  const std::lock_guard lock(mutex);
  if (context->retains == 0) {
    call_plain(wire::PrimaryRetain{context->id, context->device, context->flags}, Context::any,
               Deferred::keep);
    contexts::bring_alive(context);
  }
  ++context->retains;
  *pctx = handle_of(context);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
  ContextObject* context = contexts::primary(dev);
  host_functions::settle(context);
  const std::lock_guard lock(mutex);
  require(context->retains > 0, CUDA_ERROR_INVALID_CONTEXT);
  if (--context->retains > 0) return CUDA_SUCCESS;
  contexts::end(context);
  post(wire::PrimaryRelease{context->device});
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev) {
  ContextObject* context = contexts::primary(dev);
  host_functions::settle(context);
  const std::lock_guard lock(mutex);
  if (!context->live) return CUDA_SUCCESS;
  contexts::end(context);
  context->retains = 0;
  call_plain(wire::PrimaryReset{context->device});
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags) {
  contexts::primary(dev)->flags = flags;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int* flags, int* active) {
  require(flags);
  require(active);
  const ContextObject* context = contexts::primary(dev);
  *flags = context->flags;
  *active = context->live;
  return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v2(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  require(pctx);
  devices::info(dev);
  ContextObject* context = contexts::make(dev);
  context->flags = flags;
  context->retains = 1;
  call_plain(wire::ContextCreate{context->id, context->device, flags}, Context::any, Deferred::keep);
  contexts::bring_alive(context);
  thread_state().contexts.push_back(context);
  *pctx = handle_of(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v3(CUcontext* pctx, CUexecAffinityParam*, int numParams, unsigned int flags,
                        CUdevice dev) {
  require(numParams == 0, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
  return api::cuCtxCreate_v2(pctx, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext* pctx, CUctxCreateParams* ctxCreateParams, unsigned int flags,
                        CUdevice dev) {
  const bool plain =
      !ctxCreateParams || (ctxCreateParams->numExecAffinityParams == 0 && !ctxCreateParams->cigParams);
  require(plain, CUDA_ERROR_NOT_SUPPORTED);
  return api::cuCtxCreate_v2(pctx, flags, dev);
}

CUresult cuCtxDestroy_v2(CUcontext ctx) {
  ContextObject* context = object_of(ctx);
  require(!context->primary && !context->green, CUDA_ERROR_INVALID_CONTEXT);
  host_functions::settle(context);
  if (current_context() == context) thread_state().contexts.pop_back();
  contexts::end(context);
  context->kind = wire::Kind::none;
  call_plain(wire::ContextDestroy{context->id});
  return CUDA_SUCCESS;
}

CUresult cuCtxAttach(CUcontext* pctx, unsigned int flags) {
  require(pctx);
  require(flags == 0, CUDA_ERROR_INVALID_VALUE);
  ContextObject* context = contexts::current();
  const std::lock_guard lock(mutex);
  ++context->retains;
  *pctx = handle_of(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxDetach(CUcontext ctx) {
  ContextObject* context = object_of(ctx);
  {
    const std::lock_guard lock(mutex);
    require(context->retains > 0, CUDA_ERROR_INVALID_CONTEXT);
    if (--context->retains > 0) return CUDA_SUCCESS;
  }
  return api::cuCtxDestroy_v2(ctx);
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx) {
  thread_state().contexts.push_back(object_of(ctx));
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent_v2(CUcontext* pctx) {
  ContextObject* context = contexts::current();
  thread_state().contexts.pop_back();
  if (pctx) *pctx = handle_of(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx) {
  contexts::set_current(ctx ? object_of(ctx) : nullptr);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* pctx) {
  require(pctx);
  *pctx = handle_of(current_context());
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* device) { return api::cuCtxGetDevice_v2(device, nullptr); }

CUresult cuCtxGetDevice_v2(CUdevice* device, CUcontext ctx) {
  require(device);
  *device = context_of(ctx)->visible_device;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetFlags(unsigned int* flags) {
  require(flags);
  *flags = contexts::current()->flags;
  return CUDA_SUCCESS;
}

// How the host waits is the worker's own affair.
CUresult cuCtxSetFlags(unsigned int flags) {
  require((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) == 0, CUDA_ERROR_INVALID_VALUE);
  contexts::current()->flags = flags;
  return CUDA_SUCCESS;
}

// An affinity narrows no context down: it has all multiprocessors. What a green context has, its resource
// says.
CUresult cuCtxGetExecAffinity(CUexecAffinityParam* pExecAffinity, CUexecAffinityType type) {
  require(pExecAffinity);
  require(type == CU_EXEC_AFFINITY_TYPE_SM_COUNT, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
  const CUdevice device = contexts::current()->visible_device;
  pExecAffinity->type = type;
  pExecAffinity->param.smCount.val =
      static_cast<unsigned>(devices::attribute(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long* ctxId) {
  require(ctxId);
  *ctxId = context_of(ctx)->id;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int* version) {
  require(version);
  require(contexts::usable(context_of(ctx)), CUDA_ERROR_INVALID_CONTEXT);
  *version = 3020;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int* leastPriority, int* greatestPriority) {
  const wire::DeviceInfo& device = devices::info(contexts::current()->visible_device);
  if (leastPriority) *leastPriority = device.least_priority;
  if (greatestPriority) *greatestPriority = device.greatest_priority;
  return CUDA_SUCCESS;
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  require(mode);
  std::swap(*mode, thread_state().capture_mode);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
