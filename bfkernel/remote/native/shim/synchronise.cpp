// SPDX-License-Identifier: BSD-3-Clause
// Synchronisations, and the question whether one would wait. They ask the worker only for what its latest
// answer has not said already.
#include "shim/api.h"
#include "shim/drained.h"
#include "shim/request.h"

namespace shim {
namespace {

CUresult finish(Request& request, const drained::Work& work) {
  if (drained::known(work)) {
    request.require_usable();
  } else {
    Pending pending;
    const CUresult result = request.wait(pending);
    if (result != CUDA_SUCCESS) return result;
    drained::note(work, pending.sequence);
  }
  report_deferred();
  return CUDA_SUCCESS;
}

CUresult finish(Opcode opcode, CUstream stream) {
  Request request(opcode, Context::current);
  request.handle(stream);
  return finish(request, drained::of(stream));
}

CUresult finish(ContextObject* context) {
  Request request(Opcode::cuCtxSynchronize, Context::current);
  request.in_context(context);
  return finish(request, {.context = context});
}

}  // namespace

namespace api {

CUresult cuStreamSynchronize(CUstream hStream) { return finish(Opcode::cuStreamSynchronize, hStream); }
CUresult cuStreamQuery(CUstream hStream) { return finish(Opcode::cuStreamQuery, hStream); }
CUresult cuCtxSynchronize() { return finish(current_context()); }
CUresult cuCtxSynchronize_v2(CUcontext ctx) { return finish(context_of(ctx)); }

}  // namespace api
}  // namespace shim
