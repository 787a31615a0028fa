// SPDX-License-Identifier: BSD-3-Clause
// What the programs about default streams ask of two streams: whether one waits for the other, and whether both
// run at once.
#pragma once

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
