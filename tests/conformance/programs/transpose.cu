// SPDX-License-Identifier: BSD-3-Clause
// A matrix transposed by tiles in shared memory, with edges that are no whole tiles; and twice, to get it
// back.
//
// expected:
// 70 x 50: 0 wrong
// twice: 0 wrong
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void transpose(const int* from, int* to, int width, int height) {
  __shared__ int tile[16][17];
  int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
  if (x < width && y < height) tile[threadIdx.y][threadIdx.x] = from[y * width + x];
  __syncthreads();
  x = blockIdx.y * 16 + threadIdx.x, y = blockIdx.x * 16 + threadIdx.y;
  if (x < height && y < width) to[y * height + x] = tile[threadIdx.x][threadIdx.y];
}
#endif  // __CUDACC__
KERNEL(transpose, const int*, int*, int, int);

int main() {
  const int width = 70, height = 50;
  std::vector<int> values(width * height);
  for (int i = 0; i < width * height; ++i) values[i] = i;
  const Device from(values);
  const Device<int> to(values.size()), back(values.size());
  LAUNCH(transpose, {dim3(5, 4), dim3(16, 16)}, from, to, width, height);
  LAUNCH(transpose, {dim3(4, 5), dim3(16, 16)}, to, back, height, width);
  const std::vector<int> seen = to.read(), again = back.read();
  int wrong = 0, wrong_again = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) wrong += seen[x * height + y] != values[y * width + x];
  for (int i = 0; i < width * height; ++i) wrong_again += again[i] != i;
  std::printf("%d x %d: %d wrong\ntwice: %d wrong\n", width, height, wrong, wrong_again);
  return done();
}
