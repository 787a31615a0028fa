// SPDX-License-Identifier: BSD-3-Clause
// Each thread's own default stream: it waits for nobody, and each thread has another one.
//
// default stream: per-thread
//
// expected:
// the default stream ran beside a blocking one: 1
// another thread's default stream ran beside ours: 1
// the legacy stream waited for a blocking one: 1
// ok
#include <thread>

#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__global__ void wait_then_store(volatile int* flag, int* to, int value) {
  while (*flag == 0) {
  }
  *to = value;
}

__global__ void copy(const int* from, int* to) { *to = *from; }

__global__ void spin_then_store(int turns, int* to, int value) {
  unsigned x = value;
  for (int i = 0; i < turns; ++i) x = x * 1664525u + 1013904223u;
  *to = x == 12345u ? 0 : value;
}
}
#endif  // __CUDACC__
KERNEL(wait_then_store, volatile int*, int*, int);
KERNEL(copy, const int*, int*);
KERNEL(spin_then_store, int, int*, int);

// What `second` saw of a slow kernel in `first`: 1 where it waited for it.
static int waited(cudaStream_t first, cudaStream_t second) {
  const Device slow(std::vector<int>{0}), seen(std::vector<int>{7});
  CHECK(cudaDeviceSynchronize());
  LAUNCH(spin_then_store, {dim3(1), dim3(1), 0, first}, 100000, slow, 1);
  LAUNCH(copy, {dim3(1), dim3(1), 0, second}, slow, seen);
  CHECK(cudaDeviceSynchronize());
  return seen.read()[0];
}

// Whether a kernel in `second` can end while one in `first` runs on until it is told to end.
static int beside(cudaStream_t first, cudaStream_t second) {
  int* flag;
  cudaStream_t teller;
  const int one = 1;
  CHECK(cudaMalloc(&flag, sizeof(int)));
  CHECK(cudaMemset(flag, 0, sizeof(int)));
  const Device from(std::vector<int>{5});
  const Device<int> to(1), last(1);
  CHECK(cudaStreamCreateWithFlags(&teller, cudaStreamNonBlocking));
  CHECK(cudaDeviceSynchronize());
  LAUNCH(wait_then_store, {dim3(1), dim3(1), 0, first}, flag, last, 1);
  LAUNCH(copy, {dim3(1), dim3(1), 0, second}, from, to);
  CHECK(cudaStreamSynchronize(second));
  const bool still_running = cudaStreamQuery(first) == cudaErrorNotReady;
  CHECK(cudaMemcpyAsync(flag, &one, sizeof one, cudaMemcpyHostToDevice, teller));
  CHECK(cudaStreamSynchronize(first));
  CHECK(cudaStreamDestroy(teller));
  CHECK(cudaFree(flag));
  return still_running && to.read()[0] == 5;
}

int main() {
  REQUIRE(handle(copy) != nullptr && handle(wait_then_store) != nullptr);
  cudaStream_t blocking, nonblocking;
  CHECK(cudaStreamCreate(&blocking));
  CHECK(cudaStreamCreateWithFlags(&nonblocking, cudaStreamNonBlocking));
  waited(blocking, blocking);  // loads the kernels
  std::printf("the default stream ran beside a blocking one: %d\n", beside(blocking, nullptr));
  // A thread's default stream has the same name in every thread: an event says whether the other's work is
  // done.
  const Device flag(std::vector<int>{0}), to(std::vector<int>{0}), mine(std::vector<int>{0});
  CHECK(cudaDeviceSynchronize());
  LAUNCH(wait_then_store, {dim3(1), dim3(1)}, flag, to, 3);
  std::thread([&] {
    CHECK(cudaSetDevice(0));
    LAUNCH(copy, {dim3(1), dim3(1)}, flag, mine);
    CHECK(cudaStreamSynchronize(nullptr));
  }).join();
  const bool running = cudaStreamQuery(nullptr) == cudaErrorNotReady;
  const int one = 1;
  CHECK(cudaMemcpyAsync(flag, &one, sizeof one, cudaMemcpyHostToDevice, nonblocking));
  CHECK(cudaStreamSynchronize(nullptr));
  std::printf("another thread's default stream ran beside ours: %d\n", running && to.read()[0] == 3);
  std::printf("the legacy stream waited for a blocking one: %d\n", waited(blocking, cudaStreamLegacy));
  CHECK(cudaStreamDestroy(blocking));
  CHECK(cudaStreamDestroy(nonblocking));
  return done();
}
