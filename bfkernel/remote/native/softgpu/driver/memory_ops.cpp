// SPDX-License-Identifier: BSD-3-Clause
#include "memory_ops.h"

#include <atomic>
#include <type_traits>

#include "memory.h"

namespace softgpu::driver {
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
MemoryOp wait_value(const std::shared_ptr<Context>& context, CUdeviceptr address, Word value,
                    unsigned flags) {
  require((flags & ~(kCompare | CU_STREAM_WAIT_VALUE_FLUSH)) == 0 && address % sizeof(Word) == 0);
  require_reachable(*context, address, sizeof(Word));
  // A context that is ruined or ending lets go of its streams, and memory that is gone is waited for no more.
  return {[context, address, value, flags] {
            return context->fault() != CUDA_SUCCESS || !context->active ||
                   !context->memory.holds(address, sizeof(Word)) ||
                   satisfied(load<Word>(address), value, flags);
          },
          {}};
}

template <typename Word>
MemoryOp write_value(const std::shared_ptr<Context>& context, CUdeviceptr address, Word value,
                     unsigned flags) {
  require((flags & ~static_cast<unsigned>(CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER)) == 0);
  require(address % sizeof(Word) == 0);
  require_reachable(*context, address, sizeof(Word));
  return {{}, [context, address, value] {
            if (!context->memory.holds(address, sizeof(Word))) return;
            std::atomic_ref<Word>(*reinterpret_cast<Word*>(address)).store(value, std::memory_order_release);
          }};
}

}  // namespace

MemoryOp plan_memory_op(const std::shared_ptr<Context>& context, const CUstreamBatchMemOpParams& op) {
  switch (op.operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
      return wait_value<uint32_t>(context, op.waitValue.address, op.waitValue.value, op.waitValue.flags);
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      return wait_value<uint64_t>(context, op.waitValue.address, op.waitValue.value64, op.waitValue.flags);
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
      return write_value<uint32_t>(context, op.writeValue.address, op.writeValue.value, op.writeValue.flags);
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      return write_value<uint64_t>(context, op.writeValue.address, op.writeValue.value64,
                                   op.writeValue.flags);
    case CU_STREAM_MEM_OP_BARRIER:
      return {};  // a stream's work is in order and visible anyway
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
    case CU_STREAM_MEM_OP_ATOMIC_REDUCTION:
      fail(CUDA_ERROR_NOT_SUPPORTED);
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

}  // namespace softgpu::driver
