// SPDX-License-Identifier: BSD-3-Clause
// Launches that cannot be: refused at once, with the right error, and nothing is the worse for it.
//
// expected:
// 2048 threads in a block: refused 1
// no threads: refused 1
// no blocks: refused 1
// a block of depth 65: refused 1
// too many rows of blocks: refused 1
// the error asked for once: 1, and again: cudaSuccess
// an invalid device: cudaErrorInvalidDevice
// an invalid copy: cudaErrorInvalidMemcpyDirection
// a launch that can be: 5
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void set(int* to, int value) { *to = value; }
#endif  // __CUDACC__
KERNEL(set, int*, int);

// Runtimes differ in which of the two they say.
static bool is_refusal(cudaError_t error) {
  return error == cudaErrorInvalidConfiguration || error == cudaErrorInvalidValue;
}

int main() {
  const Device<int> to(1);
  const auto refused = [&](dim3 grid, dim3 block) {
    return is_refusal(try_launch(set, {grid, block}, to, 1));
  };
  std::printf("2048 threads in a block: refused %d\n", refused(dim3(1), dim3(2048)));
  std::printf("no threads: refused %d\n", refused(dim3(1), dim3(0)));
  std::printf("no blocks: refused %d\n", refused(dim3(0), dim3(1)));
  std::printf("a block of depth 65: refused %d\n", refused(dim3(1), dim3(1, 1, 65)));
  std::printf("too many rows of blocks: refused %d\n", refused(dim3(1, 65536), dim3(1)));
  int four = 4;
  int* address = to;
  void* arguments[] = {&address, &four};
  REQUIRE(cudaLaunchKernel(handle(set), dim3(1), dim3(4096), arguments, 0, nullptr) != cudaSuccess);
  std::printf("the error asked for once: %d", is_refusal(cudaGetLastError()));
  std::printf(", and again: %s\n", cudaGetErrorName(cudaGetLastError()));
  std::printf("an invalid device: %s\n", cudaGetErrorName(cudaSetDevice(4711)));
  std::printf("an invalid copy: %s\n",
              cudaGetErrorName(cudaMemcpy(to, &four, 4, static_cast<cudaMemcpyKind>(9))));
  cudaGetLastError();
  LAUNCH(set, {dim3(1), dim3(1)}, to, 5);
  std::printf("a launch that can be: %d\n", to.read()[0]);
  return done();
}
