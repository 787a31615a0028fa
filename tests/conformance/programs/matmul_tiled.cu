// SPDX-License-Identifier: BSD-3-Clause
// A product of two matrices by tiles in shared memory.
//
// expected:
// 48 x 64 by 64 x 32: 0 wrong, the last element 1881
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void multiply(const float* a, const float* b, float* c, int inner, int width) {
  __shared__ float as[16][16], bs[16][16];
  const int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < inner; k += 16) {
    as[threadIdx.y][threadIdx.x] = a[row * inner + k + threadIdx.x];
    bs[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * width + column];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 16; ++i) sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
    __syncthreads();
  }
  c[row * width + column] = sum;
}
#endif  // __CUDACC__
KERNEL(multiply, const float*, const float*, float*, int, int);

int main() {
  const int height = 48, inner = 64, width = 32;
  std::vector<float> a(height * inner), b(inner * width);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 13);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 11);
  const Device da(a), db(b);
  const Device<float> dc(height * width);
  LAUNCH(multiply, {dim3(width / 16, height / 16), dim3(16, 16)}, da, db, dc, inner, width);
  const std::vector<float> seen = dc.read();
  int wrong = 0;
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column) {
      float expected = 0;
      for (int k = 0; k < inner; ++k) expected += a[row * inner + k] * b[k * width + column];
      wrong += seen[row * width + column] != expected;
    }
  std::printf("%d x %d by %d x %d: %d wrong, the last element %.0f\n", height, inner, inner, width, wrong,
              seen.back());
  return done();
}
