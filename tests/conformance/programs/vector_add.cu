// SPDX-License-Identifier: BSD-3-Clause
// The sum of two vectors, one element a thread, with a last block that is not full.
//
// expected:
// 100000 sums, 0 wrong, the last 299997
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void vector_add(const float* a, const float* b, float* sum, int length) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) sum[i] = a[i] + b[i];
}
#endif  // __CUDACC__
KERNEL(vector_add, const float*, const float*, float*, int);

int main() {
  const int length = 100000;
  std::vector<float> a(length), b(length);
  for (int i = 0; i < length; ++i) a[i] = static_cast<float>(i), b[i] = static_cast<float>(2 * i);
  const Device da(a), db(b);
  const Device<float> sum(length);
  LAUNCH(vector_add, {dim3((length + 255) / 256), dim3(256)}, da, db, sum, length);
  const std::vector<float> seen = sum.read();
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += seen[i] != static_cast<float>(3 * i);
  std::printf("%d sums, %d wrong, the last %.0f\n", length, wrong, seen.back());
  return done();
}
