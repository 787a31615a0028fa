// SPDX-License-Identifier: BSD-3-Clause
#include <cstdio>
extern "C" __global__ void hello(const char* name, float x) {
  if (threadIdx.x < 2)
    printf("hello %s from block %d thread %u: %.2f %lld %c%%\n", name, blockIdx.x, threadIdx.x, x, 1ll << 40, 'z');
}
extern "C" __global__ void no_arguments() { printf("just text\n"); }
