// SPDX-License-Identifier: BSD-3-Clause
// printf in a kernel: all formats, in the order of one thread, and from each thread of a block.
//
// expected:
// before
// integers -7 4294967289 ff 12345678901
// floats 1.500 2.25e+00, text 'text', character c, percent %
// thread 0 of 4
// thread 1 of 4
// thread 2 of 4
// thread 3 of 4
// after
// limit set: 1
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void formats(int i, long long l, float f) {
  printf("integers %d %u %x %lld\n", i, i, 255, l);
  printf("floats %.3f %.2e, text '%s', character %c, percent %%\n", f, f * 1.5, "text", 'c');
}

extern "C" __global__ void who() { printf("thread %d of %d\n", threadIdx.x, blockDim.x); }
#endif  // __CUDACC__
KERNEL(formats, int, long long, float);
KERNEL(who);

int main() {
  size_t bytes;
  CHECK(cudaDeviceSetLimit(cudaLimitPrintfFifoSize, 4 << 20));
  CHECK(cudaDeviceGetLimit(&bytes, cudaLimitPrintfFifoSize));
  std::puts("before");
  LAUNCH(formats, {dim3(1), dim3(1)}, -7, 12345678901LL, 1.5f);
  CHECK(cudaDeviceSynchronize());
  LAUNCH(who, {dim3(1), dim3(4)});
  CHECK(cudaDeviceSynchronize());
  std::puts("after");
  std::printf("limit set: %d\n", bytes >= 4 << 20);
  return done();
}
