// SPDX-License-Identifier: BSD-3-Clause
// Sorts each block's slice of up to 1024 keys in shared memory.
extern "C" __global__ void bitonic(unsigned* keys, int count) {
  extern __shared__ unsigned slice[];
  unsigned* mine = keys + blockIdx.x * count;
  for (int i = threadIdx.x; i < count; i += blockDim.x) slice[i] = mine[i];
  __syncthreads();
  for (int size = 2; size <= count; size *= 2)
    for (int stride = size / 2; stride > 0; stride /= 2) {
      for (int i = threadIdx.x; i < count / 2; i += blockDim.x) {
        int a = 2 * i - (i & (stride - 1)), b = a + stride;
        bool up = (a & size) == 0;
        if ((slice[a] > slice[b]) == up) {
          unsigned kept = slice[a];
          slice[a] = slice[b];
          slice[b] = kept;
        }
      }
      __syncthreads();
    }
  for (int i = threadIdx.x; i < count; i += blockDim.x) mine[i] = slice[i];
}
