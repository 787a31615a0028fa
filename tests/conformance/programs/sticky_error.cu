// SPDX-License-Identifier: BSD-3-Clause
// A kernel that writes where nothing is: the error comes at the next wait and then with every call, until the
// end.
//
// expected:
// the launch: cudaSuccess
// the wait: cudaErrorIllegalAddress
// a later copy: cudaErrorIllegalAddress
// an allocation: cudaErrorIllegalAddress
// another launch: cudaErrorIllegalAddress
// calls that need no device: 1
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void write_to(int* address) { *address = 1; }
#endif  // __CUDACC__
KERNEL(write_to, int*);

int main() {
  int host = 0, devices;
  void* memory;
  const Device<int> data(1);
  int* nowhere = reinterpret_cast<int*>(size_t{64});
  std::printf("the launch: %s\n", cudaGetErrorName(try_launch(write_to, {dim3(1), dim3(1)}, nowhere)));
  std::printf("the wait: %s\n", cudaGetErrorName(cudaDeviceSynchronize()));
  std::printf("a later copy: %s\n",
              cudaGetErrorName(cudaMemcpy(&host, data, sizeof host, cudaMemcpyDeviceToHost)));
  std::printf("an allocation: %s\n", cudaGetErrorName(cudaMalloc(&memory, 16)));
  std::printf("another launch: %s\n", cudaGetErrorName(try_launch(write_to, {dim3(1), dim3(1)}, data)));
  std::printf("calls that need no device: %d\n", cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0);
  return 0;
}
