// SPDX-License-Identifier: BSD-3-Clause
// What the occupancy calls answer: never more than the device can hold, less with more shared memory, and a
// block size that can be launched.
//
// expected:
// blocks of 128 threads fit: 1, within the device's threads: 1
// more shared memory, no more blocks: 1
// a block that is too big fits: 0
// shared memory left for two blocks: 1
// attributes: threads 1, registers 1, shared memory 4096
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void reverse(int* data) {
  __shared__ int copy[1024];
  copy[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[threadIdx.x] = copy[blockDim.x - 1 - threadIdx.x];
}
#endif  // __CUDACC__
KERNEL(reverse, int*);

static int blocks(int threads, size_t shared) {
  int count;
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&count, handle(reverse), threads, shared));
  return count;
}

int main() {
  const int threads_of_sm = attribute(cudaDevAttrMaxThreadsPerMultiProcessor);
  const int at_128 = blocks(128, 0);
  std::printf("blocks of 128 threads fit: %d, within the device's threads: %d\n", at_128 > 0,
              at_128 * 128 <= threads_of_sm);
  const int with_shared = blocks(128, 40 << 10);
  std::printf("more shared memory, no more blocks: %d\n", with_shared > 0 && with_shared <= at_128);
  int too_big = 0;
  const cudaError_t refused =
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&too_big, handle(reverse), 128, size_t{1} << 20);
  cudaGetLastError();
  std::printf("a block that is too big fits: %d\n", refused == cudaSuccess && too_big > 0);
  size_t left;
  CHECK(cudaOccupancyAvailableDynamicSMemPerBlock(&left, handle(reverse), 2, 128));
  std::printf("shared memory left for two blocks: %d\n",
              left > 0 && blocks(128, left < 40000 ? left : 40000) > 0);
  cudaFuncAttributes kernel;
  CHECK(cudaFuncGetAttributes(&kernel, handle(reverse)));
  std::printf("attributes: threads %d, registers %d, shared memory %zu\n",
              kernel.maxThreadsPerBlock == attribute(cudaDevAttrMaxThreadsPerBlock), kernel.numRegs > 0,
              kernel.sharedSizeBytes);
  return done();
}
