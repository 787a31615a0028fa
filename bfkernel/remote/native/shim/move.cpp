// SPDX-License-Identifier: BSD-3-Clause
#include "shim/move.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "shim/api.h"
#include "shim/request.h"
#include "wire/memory_messages.h"

namespace shim::move {
namespace {

std::mutex& mutex = *new std::mutex;
struct InContext {
  CUstream stream = nullptr;
  unsigned ends = 0;  // the context's, when the stream was made
};
std::map<ContextObject*, InContext>& streams = *new std::map<ContextObject*, InContext>;
thread_local bool inside = false;

// The calling thread in the context whose memory moves.
class Mover {
 public:
  explicit Mover(ContextObject* context) {
    thread_state().contexts.push_back(context);
    inside = true;
  }
  ~Mover() {
    inside = before_;
    thread_state().contexts.pop_back();
  }

 private:
  const bool before_ = inside;
};

// Under a Mover.
CUstream stream_of(ContextObject* context) {
  const std::lock_guard lock(mutex);
  InContext& in_context = streams[context];
  if (!in_context.stream || in_context.ends != context->ends) {
    api::cuStreamCreate(&in_context.stream, CU_STREAM_NON_BLOCKING);
    in_context.ends = context->ends;
  }
  return in_context.stream;
}

void wait(Request& request, Pending& pending) {
  const CUresult result = request.wait(pending);
  require(result == CUDA_SUCCESS, result);
}

}  // namespace

bool moving() { return inside; }

void to_device(ContextObject* context, uint64_t destination, const std::byte* source, uint64_t size) {
  const Mover mover(context);
  const CUstream stream = stream_of(context);
  for (uint64_t at = 0; at < size;) {
    const uint64_t step = std::min(size - at, wire::kCopyChunk);
    Request request(Opcode::CopyToDevice, Context::current);
    request.fields(destination + at, id_of(stream), uint8_t{0}, step);  // its bytes follow
    request.post({source + at, step});
    at += step;
  }
}

void to_host(ContextObject* context, std::span<std::byte> destination, uint64_t source) {
  const Mover mover(context);
  const CUstream stream = stream_of(context);
  while (!destination.empty()) {
    const size_t step = std::min<size_t>(destination.size(), wire::kCopyChunk);
    Request request(Opcode::CopyToHost, Context::current);
    request.fields(wire::CopyToHost{source, step, id_of(stream), 0});
    Pending pending;
    pending.destination = destination.first(step);
    wait(request, pending);
    destination = destination.subspan(step);
    source += step;
  }
}

void clear(ContextObject* context, uint64_t destination, uint64_t size) {
  const Mover mover(context);
  api::cuMemsetD8Async(destination, 0, size, stream_of(context));
}

void await(ContextObject* context) {
  const Mover mover(context);
  Request request(Opcode::cuStreamSynchronize, Context::current);
  request.handle(stream_of(context));
  Pending pending;
  wait(request, pending);
}

void settle() {
  for (ContextObject* context : contexts::all_usable()) {
    const Mover mover(context);
    Request request(Opcode::cuCtxSynchronize, Context::current);
    Pending pending;
    wait(request, pending);
  }
}

}  // namespace shim::move
