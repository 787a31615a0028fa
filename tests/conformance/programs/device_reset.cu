// SPDX-License-Identifier: BSD-3-Clause
// cudaDeviceReset gives everything back, and the device can be used again afterwards, several times.
//
// expected:
// before: 10
// memory given back: 1
// after: 20
// after again: 30
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void set(int* to, int value) { *to = value; }
#endif  // __CUDACC__
KERNEL(set, int*, int);

static int set_and_read(int value) {
  const Device<int> to(1);
  LAUNCH(set, {dim3(1), dim3(1)}, to, value);
  return to.read()[0];
}

static void reset() {
  CHECK(cudaDeviceReset());
  load_kernels_again();
}

static size_t free_bytes() {
  size_t free, total;
  CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

int main() {
  std::printf("before: %d\n", set_and_read(10));
  void* lost;
  const size_t before = free_bytes();
  cudaStream_t stream;
  CHECK(cudaMalloc(&lost, 64 << 20));
  CHECK(cudaStreamCreate(&stream));
  REQUIRE(free_bytes() < before);
  reset();
  std::printf("memory given back: %d\n", free_bytes() + (16 << 20) >= before);
  std::printf("after: %d\n", set_and_read(20));
  reset();
  std::printf("after again: %d\n", set_and_read(30));
  return done();
}
