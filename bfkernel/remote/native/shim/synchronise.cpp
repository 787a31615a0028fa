// SPDX-License-Identifier: BSD-3-Clause
// Synchronisations, and the question whether one would wait. They ask the worker only for what its latest
// answer has not said already.
#include "shim/api.h"
#include "shim/capture.h"
#include "shim/drained.h"
#include "shim/mirrors.h"
#include "shim/request.h"

namespace shim {
namespace {

// `watch`: of a stream that is only asked about.
CUresult finish(Request& request, const Work& work, Watch* watch = nullptr) {
  if (drained::known(work)) {
    request.require_usable();
  } else {
    Pending pending;
    pending.watch = watch;
    const CUresult result = request.wait(pending);
    if (result != CUDA_SUCCESS) return result;
    drained::note(work, pending.sequence);
  }
  report_deferred();
  return CUDA_SUCCESS;
}

CUresult finish(ContextObject* context) {
  Request request(Opcode::cuCtxSynchronize, Context::current);
  request.in_context(context);
  return finish(request, {.context = context});
}

// True while nothing says that the stream has done what it had to do at an earlier query: then it has not
// done what it has to do now.
bool pending(Watch& watch, const Work& work) {
  const std::lock_guard lock(watch.mutex);
  if (watch.done != 0) drained::note(work, watch.done);
  return watch.asked != 0 && !drained::covers(work, watch.asked);
}

bool still_pending(Watch& watch, const Work& work) {
  if (capture::in_flight() || mirrors::any.load(std::memory_order_relaxed)) return false;
  if (!pending(watch, work)) return false;
  connection().transport().take_in();
  return pending(watch, work);
}

}  // namespace

namespace api {

CUresult cuStreamSynchronize(CUstream hStream) {
  Request request(Opcode::cuStreamSynchronize, Context::current);
  request.handle(hStream);
  return finish(request, drained::of(hStream));
}

CUresult cuStreamQuery(CUstream hStream) {
  Request request(Opcode::cuStreamQuery, Context::current);
  request.handle(hStream);
  request.require_usable();
  const Work work = drained::of(hStream);
  Watch& watch = watch_of(hStream);
  if (still_pending(watch, work)) return CUDA_ERROR_NOT_READY;
  return finish(request, work, &watch);
}

CUresult cuCtxSynchronize() { return finish(current_context()); }
CUresult cuCtxSynchronize_v2(CUcontext ctx) { return finish(context_of(ctx)); }

}  // namespace api
}  // namespace shim
