// SPDX-License-Identifier: BSD-3-Clause
// cuOccupancy*.
#include <algorithm>

#include "current.h"
#include "occupancy.h"

using namespace softgpu::driver;
using softgpu::KernelInfo;

namespace {

constexpr unsigned kFlags = CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE;

// A block may come only as clusters of one.
void check_cluster(const CUlaunchConfig* config) {
  require(config != nullptr && (config->numAttrs == 0 || config->attrs != nullptr));
}

}  // namespace

SOFTGPU_API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* numBlocks, CUfunction func,
                                                                 int blockSize, size_t dynamicSMemSize,
                                                                 unsigned int flags) {
  return with_context([&](Context& context) {
    require(numBlocks != nullptr && blockSize > 0 && (flags & ~kFlags) == 0);
    std::shared_ptr<Function> function = resolve_function(context, func);
    *numBlocks = active_blocks(context.device, *function, blockSize, dynamicSMemSize);
  });
}

SOFTGPU_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* numBlocks, CUfunction func, int blockSize,
                                                        size_t dynamicSMemSize) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize, dynamicSMemSize, 0);
}

SOFTGPU_API cuOccupancyMaxPotentialBlockSizeWithFlags(int* minGridSize, int* blockSize, CUfunction func,
                                                      CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                                      size_t dynamicSMemSize, int blockSizeLimit,
                                                      unsigned int flags) {
  return with_context([&](Context& context) {
    require(minGridSize != nullptr && blockSize != nullptr && (flags & ~kFlags) == 0);
    std::shared_ptr<Function> function = resolve_function(context, func);
    const KernelInfo& info = softgpu::info(*function->kernel);
    int most = std::min(context.device.limits.max_threads_per_block, info.max_threads_per_block);
    if (blockSizeLimit > 0) most = std::min(most, blockSizeLimit);
    int warp = context.device.limits.warp_size;
    int best_threads = 0;
    *blockSize = 0;
    *minGridSize = 0;
    // The largest block among those that keep most threads busy.
    for (int size = (most + warp - 1) / warp * warp; size > 0; size -= warp) {
      int threads = std::min(size, most);
      size_t shared = blockSizeToDynamicSMemSize ? blockSizeToDynamicSMemSize(threads) : dynamicSMemSize;
      int blocks = active_blocks(context.device, *function, threads, shared);
      if (blocks * threads <= best_threads) continue;
      best_threads = blocks * threads;
      *blockSize = threads;
      *minGridSize = blocks * context.device.multiprocessors;
    }
    require(best_threads > 0);
  });
}

SOFTGPU_API cuOccupancyMaxPotentialBlockSize(int* minGridSize, int* blockSize, CUfunction func,
                                             CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                             size_t dynamicSMemSize, int blockSizeLimit) {
  return cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func, blockSizeToDynamicSMemSize,
                                                   dynamicSMemSize, blockSizeLimit, 0);
}

SOFTGPU_API cuOccupancyAvailableDynamicSMemPerBlock(size_t* dynamicSmemSize, CUfunction func, int numBlocks,
                                                    int blockSize) {
  return with_context([&](Context& context) {
    require(dynamicSmemSize != nullptr && numBlocks > 0 && blockSize > 0);
    std::shared_ptr<Function> function = resolve_function(context, func);
    require(active_blocks(context.device, *function, blockSize, 0) >= numBlocks);
    const MultiprocessorLimits& limits = context.device.limits;
    size_t fixed = softgpu::info(*function->kernel).static_shared_bytes;
    size_t each = limits.shared_bytes / numBlocks / 128 * 128 - limits.shared_reserved_per_block;
    size_t room = std::min(each, limits.shared_per_block_optin);
    *dynamicSmemSize = room - std::min(room, fixed);
  });
}

SOFTGPU_API cuOccupancyMaxPotentialClusterSize(int* clusterSize, CUfunction func,
                                               const CUlaunchConfig* config) {
  return with_context([&](Context& context) {
    check_cluster(config);
    require(clusterSize != nullptr);
    resolve_function(context, func);
    *clusterSize = 1;
  });
}

SOFTGPU_API cuOccupancyMaxActiveClusters(int* numClusters, CUfunction func, const CUlaunchConfig* config) {
  return with_context([&](Context& context) {
    check_cluster(config);
    require(numClusters != nullptr);
    std::shared_ptr<Function> function = resolve_function(context, func);
    int threads = static_cast<int>(config->blockDimX * config->blockDimY * config->blockDimZ);
    *numClusters = active_blocks(context.device, *function, threads, config->sharedMemBytes) *
                   context.device.multiprocessors;
  });
}
