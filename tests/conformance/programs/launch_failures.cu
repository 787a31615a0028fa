// SPDX-License-Identifier: BSD-3-Clause
// Launches that cannot be: refused at once, with the right error, and nothing is the worse for it.
//
// expected:
// 2048 threads in a block: cudaErrorInvalidConfiguration
// no threads: cudaErrorInvalidConfiguration
// no blocks: cudaErrorInvalidConfiguration
// a block of depth 65: cudaErrorInvalidConfiguration
// too many rows of blocks: cudaErrorInvalidConfiguration
// asked once: cudaErrorInvalidConfiguration, and again: cudaSuccess
// an invalid device: cudaErrorInvalidDevice
// an invalid copy: cudaErrorInvalidMemcpyDirection
// a launch that can be: 5
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void set(int* to, int value) { *to = value; }
#endif  // __CUDACC__
KERNEL(set, int*, int);

int main() {
  const Device<int> to(1);
  const auto refused = [&](dim3 grid, dim3 block) { return cudaGetErrorName(try_launch(set, {grid, block}, to, 1)); };
  std::printf("2048 threads in a block: %s\n", refused(dim3(1), dim3(2048)));
  std::printf("no threads: %s\n", refused(dim3(1), dim3(0)));
  std::printf("no blocks: %s\n", refused(dim3(0), dim3(1)));
  std::printf("a block of depth 65: %s\n", refused(dim3(1), dim3(1, 1, 65)));
  std::printf("too many rows of blocks: %s\n", refused(dim3(1, 65536), dim3(1)));
  int four = 4;
  int* address = to;
  void* arguments[] = {&address, &four};
  REQUIRE(cudaLaunchKernel(handle(set), dim3(1), dim3(4096), arguments, 0, nullptr) != cudaSuccess);
  std::printf("asked once: %s", cudaGetErrorName(cudaGetLastError()));
  std::printf(", and again: %s\n", cudaGetErrorName(cudaGetLastError()));
  std::printf("an invalid device: %s\n", cudaGetErrorName(cudaSetDevice(4711)));
  std::printf("an invalid copy: %s\n", cudaGetErrorName(cudaMemcpy(to, &four, 4, static_cast<cudaMemcpyKind>(9))));
  cudaGetLastError();
  LAUNCH(set, {dim3(1), dim3(1)}, to, 5);
  std::printf("a launch that can be: %d\n", to.read()[0]);
  return done();
}
