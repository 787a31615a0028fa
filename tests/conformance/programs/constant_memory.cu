// SPDX-License-Identifier: BSD-3-Clause
// Variables of a program on the device: constant ones that the host sets, a global one that a kernel changes,
// and one with a value from the source.
//
// expected:
// polynomial at 3: 142
// polynomial at 3, other coefficients: 49
// counted 512, started at 1000
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__constant__ int coefficients[4];
__device__ unsigned counter = 1000;

__global__ void polynomial(int x, int* value) {
  int sum = 0;
  for (int i = 3; i >= 0; --i) sum = sum * x + coefficients[i];
  *value = sum;
}

__global__ void count() { atomicAdd(&counter, 1u); }
}
#endif  // __CUDACC__
GLOBAL(coefficients);
GLOBAL(counter);
KERNEL(polynomial, int, int*);
KERNEL(count);

static int polynomial_at_3(const int (&values)[4]) {
  const Device<int> result(1);
  CHECK(write_symbol(coefficients, values, sizeof values));
  LAUNCH(polynomial, {dim3(1), dim3(1)}, 3, result);
  return result.read()[0];
}

int main() {
  std::printf("polynomial at 3: %d\n", polynomial_at_3({1, 2, 3, 4}));
  std::printf("polynomial at 3, other coefficients: %d\n", polynomial_at_3({4, 0, 5, 0}));
  unsigned before, after;
  CHECK(read_symbol(&before, counter, sizeof before));
  LAUNCH(count, {dim3(8), dim3(64)});
  CHECK(read_symbol(&after, counter, sizeof after));
  std::printf("counted %u, started at %u\n", after - before, before);
  void* address;
  CHECK(symbol_address(&address, counter));
  CHECK(cudaMemset(address, 0, sizeof after));
  CHECK(read_symbol(&after, counter, sizeof after));
  REQUIRE(after == 0);
  return done();
}
