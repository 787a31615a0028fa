// SPDX-License-Identifier: BSD-3-Clause
// Work in several streams at once: copies, kernels and copies back in each, and a kernel that waits for one
// of another stream while both run.
//
// expected:
// 4 streams, 0 wrong
// the waiting kernel saw 42
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void scale(int* data, int length, int factor) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < length; i += gridDim.x * blockDim.x)
    data[i] *= factor;
}

extern "C" __global__ void wait_for(volatile int* flag, int* seen) {
  while (*flag == 0) {
  }
  *seen = *flag;
}

extern "C" __global__ void raise_flag(volatile int* flag, int value) {
  *flag = value;
  __threadfence();
}
#endif  // __CUDACC__
KERNEL(scale, int*, int, int);
KERNEL(wait_for, volatile int*, int*);
KERNEL(raise_flag, volatile int*, int);

static int wrong_in_streams() {
  const int count = 4, length = 1 << 14, rounds = 3;
  int *host, *device, wrong = 0;
  CHECK(cudaMallocHost(&host, count * length * sizeof(int)));
  CHECK(cudaMalloc(&device, count * length * sizeof(int)));
  for (int i = 0; i < count * length; ++i) host[i] = i;
  cudaStream_t streams[count];
  for (cudaStream_t& stream : streams) CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  for (int round = 0; round < rounds; ++round)
    for (int s = 0; s < count; ++s) {
      int *mine = host + s * length, *there = device + s * length;
      const size_t bytes = length * sizeof(int);
      CHECK(cudaMemcpyAsync(there, mine, bytes, cudaMemcpyHostToDevice, streams[s]));
      LAUNCH(scale, {dim3(8), dim3(128), 0, streams[s]}, there, length, s + 2);
      CHECK(cudaMemcpyAsync(mine, there, bytes, cudaMemcpyDeviceToHost, streams[s]));
    }
  for (const cudaStream_t stream : streams) CHECK(cudaStreamSynchronize(stream));
  for (int i = 0; i < count * length; ++i) {
    const unsigned factor = static_cast<unsigned>(i / length + 2);
    wrong += static_cast<unsigned>(host[i]) != static_cast<unsigned>(i) * factor * factor * factor;
  }
  for (const cudaStream_t stream : streams) CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(device));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// Only where the two kernels run at the same time does this end.
static int value_from_the_other_stream() {
  const Device<int> flag(std::vector<int>{0}), seen(1);
  cudaStream_t waiting, raising;
  CHECK(cudaStreamCreateWithFlags(&waiting, cudaStreamNonBlocking));
  CHECK(cudaStreamCreateWithFlags(&raising, cudaStreamNonBlocking));
  LAUNCH(wait_for, {dim3(1), dim3(1), 0, waiting}, flag, seen);
  REQUIRE(cudaStreamQuery(waiting) == cudaErrorNotReady);
  LAUNCH(raise_flag, {dim3(1), dim3(1), 0, raising}, flag, 42);
  CHECK(cudaStreamSynchronize(waiting));
  CHECK(cudaStreamQuery(waiting));
  CHECK(cudaStreamDestroy(waiting));
  CHECK(cudaStreamDestroy(raising));
  return seen.read()[0];
}

int main() {
  std::printf("4 streams, %d wrong\n", wrong_in_streams());
  // A kernel may be loaded only while nothing runs: all of them are looked up before the first one waits.
  REQUIRE(handle(wait_for) != nullptr && handle(raise_flag) != nullptr);
  const Device<int> flag(std::vector<int>{1}), seen(1);
  LAUNCH(raise_flag, {dim3(1), dim3(1)}, flag, 1);
  LAUNCH(wait_for, {dim3(1), dim3(1)}, flag, seen);
  CHECK(cudaDeviceSynchronize());
  std::printf("the waiting kernel saw %d\n", value_from_the_other_stream());
  return done();
}
