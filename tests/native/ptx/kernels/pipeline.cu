// SPDX-License-Identifier: BSD-3-Clause
// Double-buffered cp.async through the pipeline primitives.
#include <cuda_pipeline.h>

extern "C" __global__ void staged(float* out, const float* in, int tiles) {
  __shared__ __align__(16) float buffer[2][256];
  int t = threadIdx.x;
  __pipeline_memcpy_async(&buffer[0][4 * t], in + 4 * t, 16);
  __pipeline_commit();
  float sum = 0;
  for (int i = 0; i < tiles; ++i) {
    if (i + 1 < tiles) __pipeline_memcpy_async(&buffer[(i + 1) & 1][4 * t], in + (i + 1) * 256 + 4 * t, 16);
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
    for (int k = 0; k < 4; ++k) sum += buffer[i & 1][(4 * t + k + 5) % 256];
    __syncthreads();
  }
  out[t] = sum;
}
