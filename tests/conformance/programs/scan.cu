// SPDX-License-Identifier: BSD-3-Clause
// Sums of all elements up to each one: within a block by doubling steps, and over blocks by adding what came
// before.
//
// expected:
// 10000 running sums, 0 wrong, the last 500000000
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__global__ void scan_block(const unsigned* from, unsigned* to, unsigned* totals, int length) {
  __shared__ unsigned shared[256];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  shared[threadIdx.x] = i < length ? from[i] : 0;
  for (int step = 1; step < blockDim.x; step *= 2) {
    __syncthreads();
    const unsigned before = threadIdx.x >= step ? shared[threadIdx.x - step] : 0;
    __syncthreads();
    shared[threadIdx.x] += before;
  }
  if (i < length) to[i] = shared[threadIdx.x];
  if (threadIdx.x == blockDim.x - 1) totals[blockIdx.x] = shared[threadIdx.x];
}

__global__ void add_before(unsigned* to, const unsigned* totals, int length) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (blockIdx.x && i < length) to[i] += totals[blockIdx.x - 1];
}
}
#endif  // __CUDACC__
KERNEL(scan_block, const unsigned*, unsigned*, unsigned*, int);
KERNEL(add_before, unsigned*, const unsigned*, int);

int main() {
  const int length = 10000, blocks = (length + 255) / 256;
  std::vector<unsigned> values(length);
  for (int i = 0; i < length; ++i) values[i] = i * 10 + 5;
  const Device from(values);
  const Device<unsigned> to(length), totals(blocks), before(blocks), none(1);
  LAUNCH(scan_block, {dim3(blocks), dim3(256)}, from, to, totals, length);
  LAUNCH(scan_block, {dim3(1), dim3(256)}, totals, before, none, blocks);
  LAUNCH(add_before, {dim3(blocks), dim3(256)}, to, before, length);
  const std::vector<unsigned> seen = to.read();
  unsigned sum = 0;
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += seen[i] != (sum += values[i]);
  std::printf("%d running sums, %d wrong, the last %u\n", length, wrong, seen.back());
  return done();
}
