// SPDX-License-Identifier: BSD-3-Clause
// Shared memory whose size the launch says: small, as much as every kernel may have, and more where it is
// asked for.
//
// expected:
// 1 KiB: 0 wrong, 48 KiB: 0 wrong
// more, without asking: cudaErrorInvalidValue
// more, asked for: 0 wrong
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void reverse(const int* from, int* to, int length) {
  extern __shared__ int shared[];
  for (int i = threadIdx.x; i < length; i += blockDim.x) shared[i] = from[i];
  __syncthreads();
  for (int i = threadIdx.x; i < length; i += blockDim.x) to[i] = shared[length - 1 - i];
}
#endif  // __CUDACC__
KERNEL(reverse, const int*, int*, int);

static int wrong_with(size_t bytes) {
  const int length = static_cast<int>(bytes / sizeof(int));
  std::vector<int> values(length);
  for (int i = 0; i < length; ++i) values[i] = i * 3;
  const Device from(values);
  const Device<int> to(length);
  LAUNCH(reverse, {dim3(1), dim3(128), bytes}, from, to, length);
  const std::vector<int> seen = to.read();
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += seen[i] != values[length - 1 - i];
  return wrong;
}

int main() {
  std::printf("1 KiB: %d wrong, 48 KiB: %d wrong\n", wrong_with(1 << 10), wrong_with(48 << 10));
  const int most = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
  REQUIRE(most > 48 << 10);
  const Device<int> data(1);
  const size_t more = static_cast<size_t>(most);
  const cudaError_t refused = try_launch(reverse, {dim3(1), dim3(1), more}, data, data, 1);
  std::printf("more, without asking: %s\n", cudaGetErrorName(refused));
  CHECK(cudaFuncSetAttribute(handle(reverse), cudaFuncAttributeMaxDynamicSharedMemorySize, most));
  std::printf("more, asked for: %d wrong\n", wrong_with(more));
  return done();
}
