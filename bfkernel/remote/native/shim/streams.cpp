// SPDX-License-Identifier: BSD-3-Clause
// Streams: the default ones, and what is known about a stream without asking.
#include "shim/api.h"
#include "shim/contexts.h"
#include "shim/request.h"

namespace shim {
namespace {

// The calling thread's own default stream in its current context: an ordinary stream, which as the driver's
// does waits for the legacy stream and is waited for by it.
CUstream thread_stream() {
  ContextObject* context = contexts::current();
  CUstream& stream = thread_state().default_streams[context];
  if (!stream) {
    CUstream made = nullptr;
    api::cuStreamCreate(&made, CU_STREAM_DEFAULT);
    stream = made;
  }
  return stream;
}

bool means_thread_stream(CUstream stream) {
  return stream == CU_STREAM_PER_THREAD || (!stream && per_thread_default);
}

bool is_legacy(CUstream stream) { return !stream || stream == CU_STREAM_LEGACY; }

}  // namespace

uint64_t id_of(CUstream stream) {
  if (means_thread_stream(stream)) return object_of(thread_stream())->id;
  if (!stream) return wire::kNullHandle;
  return is_legacy(stream) ? wire::kLegacyStream : object_of(stream)->id;
}

ContextObject* context_of(CUstream stream) {
  return means_thread_stream(stream) || is_legacy(stream) ? current_context() : object_of(stream)->context;
}

namespace api {

CUresult cuStreamGetCtx(CUstream hStream, CUcontext* pctx) {
  require(pctx);
  ContextObject* context = context_of(hStream);
  require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  *pctx = reinterpret_cast<CUcontext>(context);
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx_v2(CUstream hStream, CUcontext* pCtx, CUgreenCtx* pGreenCtx) {
  if (pGreenCtx) *pGreenCtx = nullptr;
  return api::cuStreamGetCtx(hStream, pCtx);
}

CUresult cuStreamGetDevice(CUstream hStream, CUdevice* device) {
  require(device);
  ContextObject* context = context_of(hStream);
  require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  *device = context->visible_device;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetId(CUstream hStream, unsigned long long* streamId) {
  require(streamId);
  *streamId = id_of(hStream);
  return CUDA_SUCCESS;
}

CUresult cuProfilerInitialize(const char*, const char*, int) { return CUDA_SUCCESS; }
CUresult cuProfilerStart() { return CUDA_SUCCESS; }
CUresult cuProfilerStop() { return CUDA_SUCCESS; }

}  // namespace api
}  // namespace shim
