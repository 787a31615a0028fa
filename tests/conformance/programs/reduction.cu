// SPDX-License-Identifier: BSD-3-Clause
// A sum by halves in shared memory, in two launches: of each block, and of the blocks' sums.
//
// expected:
// sum 3276012454, as on the host 1
// maximum 65520
// ok
#include "conformance.h"

#ifdef __CUDACC__
template <class T, class Combine>
__device__ T reduce(T value, Combine combine) {
  __shared__ T shared[256];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + half]);
    __syncthreads();
  }
  return shared[0];
}

extern "C" {
__global__ void sum(const long long* from, long long* to, int length) {
  long long mine = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < length; i += gridDim.x * blockDim.x)
    mine += from[i];
  const long long total = reduce(mine, [](long long a, long long b) { return a + b; });
  if (threadIdx.x == 0) to[blockIdx.x] = total;
}

__global__ void maximum(const long long* from, long long* to, int length) {
  long long mine = from[0];
  for (int i = threadIdx.x; i < length; i += blockDim.x) mine = max(mine, from[i]);
  const long long most = reduce(mine, [](long long a, long long b) { return a > b ? a : b; });
  if (threadIdx.x == 0) *to = most;
}
}
#endif  // __CUDACC__
KERNEL(sum, const long long*, long long*, int);
KERNEL(maximum, const long long*, long long*, int);

int main() {
  const int length = 100000, blocks = 32;
  std::vector<long long> values(length);
  long long expected = 0;
  for (int i = 0; i < length; ++i) expected += values[i] = static_cast<long long>(i) * 7919 % 65521;
  const Device from(values);
  const Device<long long> partial(blocks), result(1);
  LAUNCH(sum, {dim3(blocks), dim3(256)}, from, partial, length);
  LAUNCH(sum, {dim3(1), dim3(256)}, partial, result, blocks);
  const long long total = result.read()[0];
  std::printf("sum %lld, as on the host %d\n", total, total == expected);
  LAUNCH(maximum, {dim3(1), dim3(256)}, from, result, length);
  std::printf("maximum %lld\n", result.read()[0]);
  return done();
}
