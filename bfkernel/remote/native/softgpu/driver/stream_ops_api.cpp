// SPDX-License-Identifier: BSD-3-Clause
// Work in streams that is neither a kernel nor a copy: host functions, and waiting for and writing of values.
#include "capture.h"
#include "current.h"
#include "graph_work.h"
#include "memory_ops.h"

using namespace softgpu::driver;

namespace {

CUresult memory_ops(CUstream handle, const CUstreamBatchMemOpParams* operations, unsigned count,
                    unsigned flags) {
  return with_context([&](Context& current) {
    require(count > 0 && operations != nullptr && flags == 0);
    std::shared_ptr<Stream> stream = resolve_stream(current, handle);
    std::shared_ptr<Context> context = owner(*stream);
    std::vector<MemoryOp> plans;
    for (unsigned i = 0; i < count; ++i) plans.push_back(plan_memory_op(context, operations[i]));
    if (capturing(*stream)) {
      capture(*stream, MemoryOpsWork{context, {operations, operations + count}, flags});
      return;
    }
    for (MemoryOp& plan : plans) submit(*stream, std::move(plan.run), {}, std::move(plan.ready));
  });
}

CUresult wait_value(CUstream stream, CUstreamBatchMemOpType type, CUdeviceptr address, cuuint64_t value,
                    unsigned flags) {
  CUstreamBatchMemOpParams params = {};
  params.waitValue.operation = type;
  params.waitValue.address = address;
  params.waitValue.value64 = value;
  params.waitValue.flags = flags;
  return memory_ops(stream, &params, 1, 0);
}

CUresult write_value(CUstream stream, CUstreamBatchMemOpType type, CUdeviceptr address, cuuint64_t value,
                     unsigned flags) {
  CUstreamBatchMemOpParams params = {};
  params.writeValue.operation = type;
  params.writeValue.address = address;
  params.writeValue.value64 = value;
  params.writeValue.flags = flags;
  return memory_ops(stream, &params, 1, 0);
}

}  // namespace

SOFTGPU_API cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void* userData) {
  return with_context([&](Context& context) {
    require(fn != nullptr);
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    if (capturing(*stream)) {
      capture(*stream, HostWork{fn, userData});
    } else {
      submit_call(*stream, [fn, userData] { fn(userData); });
    }
  });
}

SOFTGPU_API cuLaunchHostFunc_v2(CUstream hStream, CUhostFn fn, void* userData, unsigned int) {
  return cuLaunchHostFunc(hStream, fn, userData);
}

// Unlike a host function, a callback is called in a ruined context too, and told so.
SOFTGPU_API cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void* userData,
                                unsigned int flags) {
  return with_context([&](Context& context) {
    require(callback != nullptr && flags == 0);
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    auto run = [callback, userData, hStream, owner = owner(*stream)] {
      callback(hStream, owner->fault(), userData);
    };
    submit_call_always(*stream, run);
  });
}

SOFTGPU_API cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags) {
  return wait_value(stream, CU_STREAM_MEM_OP_WAIT_VALUE_32, addr, value, flags);
}

SOFTGPU_API cuStreamWaitValue64_v2(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags) {
  return wait_value(stream, CU_STREAM_MEM_OP_WAIT_VALUE_64, addr, value, flags);
}

SOFTGPU_API cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags) {
  return write_value(stream, CU_STREAM_MEM_OP_WRITE_VALUE_32, addr, value, flags);
}

SOFTGPU_API cuStreamWriteValue64_v2(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags) {
  return write_value(stream, CU_STREAM_MEM_OP_WRITE_VALUE_64, addr, value, flags);
}

SOFTGPU_API cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams* paramArray,
                                  unsigned int flags) {
  return memory_ops(stream, paramArray, count, flags);
}
