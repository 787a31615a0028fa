// SPDX-License-Identifier: BSD-3-Clause
// Green contexts: contexts that run on a part of a device's multiprocessors. What is made in one belongs to
// the device's primary context, but for its streams.
#include <algorithm>

#include "shim/api.h"
#include "shim/contexts.h"
#include "shim/devices.h"
#include "shim/host_functions.h"
#include "shim/request.h"
#include "wire/device_messages.h"
#include "wire/green_messages.h"

namespace shim {
namespace {

// Of the worker, which names the context by the same id.
void make(ContextObject* context, CUdevResourceDesc description, unsigned flags) {
  const wire::GreenContextCreate message{context->id, id_of(description), context->device, flags};
  call_plain(message, Context::any, Deferred::keep);
  const CUgreenCtx green = create<CUgreenCtx>();
  object_of(green)->id = context->id;
  object_of(green)->context = context;
  object_of(green)->as_context = context;
  context->green = green;
  contexts::bring_alive(context);
}

}  // namespace

namespace api {

CUresult cuGreenCtxCreate(CUgreenCtx* phCtx, CUdevResourceDesc desc, CUdevice dev, unsigned int flags) {
  require(phCtx);
  object_of(desc);
  CUcontext primary = nullptr;
  api::cuDevicePrimaryCtxRetain(&primary, dev);
  ContextObject* context = contexts::make(dev);
  context->home = object_of(primary);
  try {
    make(context, desc, flags);
  } catch (const Failure&) {
    api::cuDevicePrimaryCtxRelease_v2(dev);
    throw;
  }
  *phCtx = context->green;
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxDestroy(CUgreenCtx hCtx) {
  ContextObject* context = object_of(hCtx)->as_context;
  const bool live = context->live;
  host_functions::settle(context);
  release(hCtx);
  context->kind = wire::Kind::none;
  require(live, CUDA_ERROR_CONTEXT_IS_DESTROYED);  // it went with its primary context
  contexts::end(context);
  call_plain(wire::GreenContextDestroy{context->id});
  return api::cuDevicePrimaryCtxRelease_v2(context->visible_device);
}

CUresult cuCtxFromGreenCtx(CUcontext* pContext, CUgreenCtx hCtx) {
  require(pContext);
  *pContext = reinterpret_cast<CUcontext>(object_of(hCtx)->as_context);
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxGetId(CUgreenCtx greenCtx, unsigned long long* greenCtxId) {
  require(greenCtxId);
  *greenCtxId = object_of(greenCtx)->id;
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxStreamCreate(CUstream* phStream, CUgreenCtx greenCtx, unsigned int flags, int priority) {
  require(phStream);
  require(flags == CU_STREAM_NON_BLOCKING, CUDA_ERROR_INVALID_VALUE);
  ContextObject* context = object_of(greenCtx)->as_context;
  const wire::DeviceInfo& device = devices::info(context->visible_device);
  const int settled = std::clamp(priority, device.greatest_priority, device.least_priority);
  const CUstream made = create<CUstream>();
  StreamObject* stream = object_of(made);
  stream->context = context;
  stream->flags = flags;
  stream->priority = settled;
  try {
    Request request(Opcode::cuGreenCtxStreamCreate, Context::current);
    request.in_context(context);
    request.fields(stream->id, context->id, flags, settled);
    request.post();
  } catch (const Failure&) {
    release(made);
    throw;
  }
  *phStream = made;
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
