// SPDX-License-Identifier: BSD-3-Clause
// Streams: the default ones, and what is known about a stream without asking.
#include <utility>

#include "shim/api.h"
#include "shim/contexts.h"
#include "shim/request.h"

namespace shim {
namespace {

// The calling thread's own default stream in its current context: an ordinary stream, which as the driver's
// does waits for the legacy stream and is waited for by it.
CUstream thread_stream() {
  ContextObject* context = contexts::current();
  auto& [stream, ends] = thread_state().default_streams[context];
  if (stream && ends == context->ends) return stream;
  if (stream) release(std::exchange(stream, nullptr));  // it ended with the context
  CUstream made = nullptr;
  api::cuStreamCreate(&made, CU_STREAM_DEFAULT);
  streams_apart = true;  // threads' streams do not wait for one another
  ends = context->ends;
  return stream = made;
}

bool means_thread_stream(CUstream stream) {
  return stream == CU_STREAM_PER_THREAD || (!stream && per_thread_default);
}

// The context that a stream works in; for a default stream the current one.
ContextObject* context_behind(CUstream stream) {
  if (!means_thread_stream(stream)) id_of(stream);  // throws where the context has ended
  ContextObject* context = context_of(stream);
  require(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  return context;
}

bool is_legacy(CUstream stream) { return !stream || stream == CU_STREAM_LEGACY; }

}  // namespace

uint64_t id_of(CUstream stream) {
  if (means_thread_stream(stream)) return object_of(thread_stream())->id;
  if (!stream) return wire::kNullHandle;
  if (is_legacy(stream)) return wire::kLegacyStream;
  const StreamObject* object = object_of(stream);
  const bool detached = object->context->green && !object->context->live;
  require(!detached, CUDA_ERROR_STREAM_DETACHED);
  return object->id;
}

ContextObject* context_of(CUstream stream) {
  return means_thread_stream(stream) || is_legacy(stream) ? current_context() : object_of(stream)->context;
}

Watch& watch_of(CUstream stream) {
  if (means_thread_stream(stream)) return object_of(thread_stream())->watch;
  return is_legacy(stream) ? current_context()->watch : object_of(stream)->watch;
}

namespace api {

CUresult cuStreamDestroy_v2(CUstream hStream) {
  StreamObject* object = object_of(hStream);
  Request request(Opcode::cuStreamDestroy_v2, Context::current);
  request.fields(object->id);
  request.post();
  release(hStream);
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream hStream, CUcontext* pctx) {
  require(pctx);
  *pctx = reinterpret_cast<CUcontext>(context_behind(hStream));
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx_v2(CUstream hStream, CUcontext* pCtx, CUgreenCtx* pGreenCtx) {
  require(pCtx);
  require(pGreenCtx);
  const ContextObject* context = context_behind(hStream);
  require(!context->green || !means_thread_stream(hStream), CUDA_ERROR_INVALID_HANDLE);
  *pCtx = reinterpret_cast<CUcontext>(context->home);
  *pGreenCtx = context->green;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetGreenCtx(CUstream hStream, CUgreenCtx* phCtx) {
  require(phCtx);
  *phCtx = context_behind(hStream)->green;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetDevice(CUstream hStream, CUdevice* device) {
  require(device);
  *device = context_behind(hStream)->visible_device;
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
