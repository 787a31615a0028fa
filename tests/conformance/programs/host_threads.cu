// SPDX-License-Identifier: BSD-3-Clause
// Several threads of the host, each with a stream of its own, on one device at once.
//
// expected:
// 6 threads, 0 wrong
// ok
#include <atomic>
#include <thread>

#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void step(int* data, int length, int add) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) data[i] = data[i] * 2 + add;
}
#endif  // __CUDACC__
KERNEL(step, int*, int, int);

static int work(int number) {
  const int length = 2000, rounds = 8;
  int *host, *data, wrong = 0;
  cudaStream_t stream;
  CHECK(cudaSetDevice(0));
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CHECK(cudaMallocHost(&host, length * sizeof(int)));
  CHECK(cudaMalloc(&data, length * sizeof(int)));
  for (int i = 0; i < length; ++i) host[i] = i;
  CHECK(cudaMemcpyAsync(data, host, length * sizeof(int), cudaMemcpyHostToDevice, stream));
  for (int round = 0; round < rounds; ++round) {
    LAUNCH(step, {dim3(16), dim3(128), 0, stream}, data, length, number);
    if (round % 3 == 0) CHECK(cudaStreamSynchronize(stream));
  }
  CHECK(cudaMemcpyAsync(host, data, length * sizeof(int), cudaMemcpyDeviceToHost, stream));
  CHECK(cudaStreamSynchronize(stream));
  for (int i = 0; i < length; ++i) wrong += host[i] != (i << rounds) + number * ((1 << rounds) - 1);
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  CHECK(cudaStreamDestroy(stream));
  return wrong;
}

int main() {
  REQUIRE(handle(step) != nullptr);  // looked up by one thread, used by all
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) threads.emplace_back([i, &wrong] { wrong += work(i + 1); });
  for (std::thread& thread : threads) thread.join();
  std::printf("%zu threads, %d wrong\n", threads.size(), wrong.load());
  return done();
}
