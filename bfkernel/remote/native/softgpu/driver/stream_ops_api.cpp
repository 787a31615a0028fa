// SPDX-License-Identifier: BSD-3-Clause
// Work in streams that is neither a kernel nor a copy: host functions, and waiting for and writing of values.
#include <atomic>
#include <type_traits>

#include "current.h"
#include "memory.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kCompare = 3;

template <typename Word>
Word load(CUdeviceptr address) {
  return std::atomic_ref<Word>(*reinterpret_cast<Word*>(address)).load(std::memory_order_acquire);
}

template <typename Word>
bool satisfied(Word found, Word wanted, unsigned flags) {
  switch (flags & kCompare) {
    case CU_STREAM_WAIT_VALUE_GEQ:  // wraps around, so that a counter may
      return static_cast<std::make_signed_t<Word>>(found - wanted) >= 0;
    case CU_STREAM_WAIT_VALUE_EQ:
      return found == wanted;
    case CU_STREAM_WAIT_VALUE_AND:
      return (found & wanted) != 0;
    default:
      return static_cast<Word>(~(found | wanted)) != 0;
  }
}

template <typename Word>
void wait_value(Context& context, Stream& stream, CUdeviceptr address, Word value, unsigned flags) {
  require((flags & ~(kCompare | CU_STREAM_WAIT_VALUE_FLUSH)) == 0 && address % sizeof(Word) == 0);
  require_reachable(context, address, sizeof(Word));
  // A context that is ruined or ending lets go of its streams.
  auto ready = [address, value, flags, owner = owner(stream)] {
    return owner->fault() != CUDA_SUCCESS || !owner->active || satisfied(load<Word>(address), value, flags);
  };
  submit(stream, {}, {}, ready);
}

template <typename Word>
void write_value(Context& context, Stream& stream, CUdeviceptr address, Word value, unsigned flags) {
  require((flags & ~static_cast<unsigned>(CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER)) == 0);
  require(address % sizeof(Word) == 0);
  require_reachable(context, address, sizeof(Word));
  submit(stream, [address, value] {
    std::atomic_ref<Word>(*reinterpret_cast<Word*>(address)).store(value, std::memory_order_release);
  });
}

void run(Context& context, Stream& stream, const CUstreamBatchMemOpParams& op) {
  switch (op.operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
      return wait_value<uint32_t>(context, stream, op.waitValue.address, op.waitValue.value,
                                  op.waitValue.flags);
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      return wait_value<uint64_t>(context, stream, op.waitValue.address, op.waitValue.value64,
                                  op.waitValue.flags);
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
      return write_value<uint32_t>(context, stream, op.writeValue.address, op.writeValue.value,
                                   op.writeValue.flags);
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      return write_value<uint64_t>(context, stream, op.writeValue.address, op.writeValue.value64,
                                   op.writeValue.flags);
    case CU_STREAM_MEM_OP_BARRIER:
      return;  // a stream's work is in order and visible anyway
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
    case CU_STREAM_MEM_OP_ATOMIC_REDUCTION:
      fail(CUDA_ERROR_NOT_SUPPORTED);
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

}  // namespace

SOFTGPU_API cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void* userData) {
  return with_context([&](Context& context) {
    require(fn != nullptr);
    submit_call(*resolve_stream(context, hStream), [fn, userData] { fn(userData); });
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
  return with_context([&](Context& context) {
    wait_value<uint32_t>(context, *resolve_stream(context, stream), addr, value, flags);
  });
}

SOFTGPU_API cuStreamWaitValue64_v2(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags) {
  return with_context([&](Context& context) {
    wait_value<uint64_t>(context, *resolve_stream(context, stream), addr, value, flags);
  });
}

SOFTGPU_API cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags) {
  return with_context([&](Context& context) {
    write_value<uint32_t>(context, *resolve_stream(context, stream), addr, value, flags);
  });
}

SOFTGPU_API cuStreamWriteValue64_v2(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags) {
  return with_context([&](Context& context) {
    write_value<uint64_t>(context, *resolve_stream(context, stream), addr, value, flags);
  });
}

SOFTGPU_API cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams* paramArray,
                                  unsigned int flags) {
  return with_context([&](Context& context) {
    require(count > 0 && paramArray != nullptr && flags == 0);
    std::shared_ptr<Stream> target = resolve_stream(context, stream);
    for (unsigned i = 0; i < count; ++i) run(context, *target, paramArray[i]);
  });
}
