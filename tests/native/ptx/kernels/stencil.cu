// SPDX-License-Identifier: BSD-3-Clause
// One-dimensional stencil of radius 3 with a halo in shared memory, and a 2-D heat step.
constexpr int RADIUS = 3, BLOCK = 128;
__constant__ float weights[2 * RADIUS + 1];

extern "C" __global__ void stencil(float* out, const float* in, int n) {
  __shared__ float cells[BLOCK + 2 * RADIUS];
  int g = blockIdx.x * BLOCK + threadIdx.x, l = threadIdx.x + RADIUS;
  cells[l] = g < n ? in[g] : 0;
  if (threadIdx.x < RADIUS) {
    cells[l - RADIUS] = g >= RADIUS ? in[g - RADIUS] : 0;
    cells[l + BLOCK] = g + BLOCK < n ? in[g + BLOCK] : 0;
  }
  __syncthreads();
  if (g >= n) return;
  float sum = 0;
#pragma unroll
  for (int k = -RADIUS; k <= RADIUS; ++k) sum += weights[k + RADIUS] * cells[l + k];
  out[g] = sum;
}

extern "C" __global__ void heat(float* out, const float* in, int width, int height) {
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  int i = y * width + x;
  if (x == 0 || y == 0 || x == width - 1 || y == height - 1)
    out[i] = in[i];
  else
    out[i] = 0.25f * (in[i - 1] + in[i + 1] + in[i - width] + in[i + width]);
}
