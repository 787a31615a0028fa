// SPDX-License-Identifier: BSD-3-Clause
// Host memory that kernels read and write in place: allocated mapped, and registered mapped.
//
// expected:
// allocated: 0 wrong
// registered: 0 wrong
// changed by the host between two kernels: 0 wrong
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void triple(const int* from, int* to, int length) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) to[i] = from[i] * 3;
}
#endif  // __CUDACC__
KERNEL(triple, const int*, int*, int);

static int* on_device(int* host) {
  int* device;
  CHECK(cudaHostGetDevicePointer(&device, host, 0));
  return device;
}

static int wrong_after(int* from, int* to, int length, int offset) {
  for (int i = 0; i < length; ++i) from[i] = i + offset, to[i] = 0;
  LAUNCH(triple, {dim3((length + 127) / 128), dim3(128)}, on_device(from), on_device(to), length);
  CHECK(cudaDeviceSynchronize());
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += to[i] != (i + offset) * 3;
  return wrong;
}

int main() {
  const int length = 5000;
  const size_t bytes = length * sizeof(int);
  int *from, *to;
  CHECK(cudaHostAlloc(&from, bytes, cudaHostAllocMapped));
  CHECK(cudaHostAlloc(&to, bytes, cudaHostAllocMapped | cudaHostAllocPortable));
  std::printf("allocated: %d wrong\n", wrong_after(from, to, length, 0));
  std::vector<int> plain(length);
  CHECK(cudaHostRegister(plain.data(), bytes, cudaHostRegisterMapped));
  std::printf("registered: %d wrong\n", wrong_after(plain.data(), to, length, 7));
  std::printf("changed by the host between two kernels: %d wrong\n",
              wrong_after(plain.data(), from, length, 70));
  CHECK(cudaHostUnregister(plain.data()));
  CHECK(cudaFreeHost(from));
  CHECK(cudaFreeHost(to));
  return done();
}
