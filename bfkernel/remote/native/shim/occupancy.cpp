// SPDX-License-Identifier: BSD-3-Clause
// Occupancy. The worker counts blocks for one block size; the best block size is searched here, since the
// program's callback for shared memory lives here.
#include <algorithm>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/modules.h"
#include "shim/request.h"

namespace shim::api {

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* numBlocks, CUfunction func, int blockSize,
                                                     size_t dynamicSMemSize) {
  return api::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize,
                                                                   dynamicSMemSize, CU_OCCUPANCY_DEFAULT);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* numBlocks, CUfunction func, int blockSize,
                                                              size_t dynamicSMemSize, unsigned int flags) {
  require(numBlocks);
  contexts::require_usable(current_context());
  const KernelAnswers::Question question{KernelAnswers::here(), blockSize, dynamicSMemSize, flags};
  *numBlocks = object_of(func)->answers.blocks(question, [&] {
    Request request(Opcode::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, Context::current);
    request.handle(func);
    request.fields(blockSize, dynamicSMemSize, flags);
    const Reply reply = request.wait();
    wire::Decoder in = reply.decoder();
    int blocks = 0;
    take_out(&blocks, in);
    return blocks;
  });
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int* minGridSize, int* blockSize, CUfunction func,
                                          CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                          size_t dynamicSMemSize, int blockSizeLimit) {
  return api::cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func,
                                                        blockSizeToDynamicSMemSize, dynamicSMemSize,
                                                        blockSizeLimit, CU_OCCUPANCY_DEFAULT);
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* minGridSize, int* blockSize, CUfunction func,
                                                   CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                                   size_t dynamicSMemSize, int blockSizeLimit,
                                                   unsigned int flags) {
  require(minGridSize);
  require(blockSize);
  const CUdevice device = contexts::current()->visible_device;
  const int warp = devices::attribute(device, CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  const int processors = devices::attribute(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  const int most_threads = devices::attribute(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
  int limit = 0;
  api::cuFuncGetAttribute(&limit, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, func);
  limit = std::min(limit, devices::attribute(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK));
  if (blockSizeLimit > 0) limit = std::min(limit, blockSizeLimit);

  // From the largest size down in whole warps; the first that fills the multiprocessor is best.
  int best_threads = 0;
  *blockSize = 0;
  *minGridSize = 0;
  const int rounded = (limit + warp - 1) / warp * warp;
  for (int size = rounded; size > 0 && best_threads < most_threads; size -= warp) {
    const int threads = std::min(size, limit);
    const size_t shared = blockSizeToDynamicSMemSize ? blockSizeToDynamicSMemSize(threads) : dynamicSMemSize;
    int blocks = 0;
    const CUresult result =
        api::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, func, threads, shared, flags);
    if (result != CUDA_SUCCESS) return result;
    if (threads * blocks <= best_threads) continue;
    best_threads = threads * blocks;
    *blockSize = threads;
    *minGridSize = blocks * processors;
  }
  return CUDA_SUCCESS;
}

}  // namespace shim::api
