// SPDX-License-Identifier: BSD-3-Clause
// Waiting for and writing of values in memory, in stream order.
#pragma once

#include <functional>
#include <memory>

#include "context.h"

namespace softgpu::driver {

// One of the two, or neither for a barrier.
struct MemoryOp {
  std::function<bool()> ready;  // the stream goes on once this says yes
  std::function<void()> run;
};

// Throws what cuStreamBatchMemOp answers to an operation that cannot be.
MemoryOp plan_memory_op(const std::shared_ptr<Context>& context, const CUstreamBatchMemOpParams& operation);

}  // namespace softgpu::driver
