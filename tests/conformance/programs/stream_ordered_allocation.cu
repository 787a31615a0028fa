// SPDX-License-Identifier: BSD-3-Clause
// Allocations in the order of a stream: used by kernels before any wait, freed in order, their memory used
// again, and given from one stream to another.
//
// expected:
// supported: 1
// 20 rounds: 0 wrong
// across streams: 0 wrong
// too much: cudaErrorMemoryAllocation
// nothing left in use: 0
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void fill(int* data, int length, int value) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) data[i] = value + i;
}
#endif  // __CUDACC__
KERNEL(fill, int*, int, int);

static const int length = 1000;
static const size_t bytes = length * sizeof(int);

static int count_wrong(const std::vector<int>& seen, int value) {
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += seen[i] != value + i;
  return wrong;
}

static int wrong_in_rounds(cudaStream_t stream) {
  int wrong = 0;
  std::vector<int> seen(length);
  for (int round = 0; round < 20; ++round) {
    int* data;
    CHECK(cudaMallocAsync(&data, bytes, stream));
    LAUNCH(fill, {dim3(8), dim3(128), 0, stream}, data, length, round);
    CHECK(cudaMemcpyAsync(seen.data(), data, bytes, cudaMemcpyDeviceToHost, stream));
    CHECK(cudaFreeAsync(data, stream));
    CHECK(cudaStreamSynchronize(stream));
    wrong += count_wrong(seen, round);
  }
  return wrong;
}

static int wrong_across(cudaStream_t first, cudaStream_t second) {
  int* data;
  cudaEvent_t ready;
  std::vector<int> seen(length);
  CHECK(cudaEventCreateWithFlags(&ready, cudaEventDisableTiming));
  CHECK(cudaMallocAsync(&data, bytes, first));
  CHECK(cudaEventRecord(ready, first));
  CHECK(cudaStreamWaitEvent(second, ready, 0));
  LAUNCH(fill, {dim3(8), dim3(128), 0, second}, data, length, 70);
  CHECK(cudaMemcpyAsync(seen.data(), data, bytes, cudaMemcpyDeviceToHost, second));
  CHECK(cudaFreeAsync(data, second));
  CHECK(cudaStreamSynchronize(second));
  CHECK(cudaEventDestroy(ready));
  return count_wrong(seen, 70);
}

int main() {
  std::printf("supported: %d\n", attribute(cudaDevAttrMemoryPoolsSupported));
  cudaStream_t first, second;
  CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  std::printf("20 rounds: %d wrong\n", wrong_in_rounds(first));
  std::printf("across streams: %d wrong\n", wrong_across(first, second));
  size_t free, total;
  CHECK(cudaMemGetInfo(&free, &total));
  void* all;
  std::printf("too much: %s\n", cudaGetErrorName(cudaMallocAsync(&all, total * 2, first)));
  cudaGetLastError();
  CHECK(cudaDeviceSynchronize());
  cudaMemPool_t pool;
  unsigned long long used;
  CHECK(cudaDeviceGetDefaultMemPool(&pool, 0));
  CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
  std::printf("nothing left in use: %llu\n", used);
  CHECK(cudaStreamDestroy(first));
  CHECK(cudaStreamDestroy(second));
  return done();
}
