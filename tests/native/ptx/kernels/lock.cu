// SPDX-License-Identifier: BSD-3-Clause
// A spin lock that every thread of every block takes, in the naive form that needs independent scheduling.
__device__ int mutex;

extern "C" __global__ void critical(int* cells, int n) {
  bool done = false;
  while (!done) {
    if (atomicCAS(&mutex, 0, 1) == 0) {
      __threadfence();
      for (int i = 0; i < n; ++i) *((volatile int*)cells + i) += 1;
      __threadfence();
      atomicExch(&mutex, 0);
      done = true;
    }
  }
}

extern "C" __global__ void naive(int* cell) {
  while (atomicCAS(&mutex, 0, 1) != 0) {
  }
  __threadfence();
  *(volatile int*)cell += 1;
  __threadfence();
  atomicExch(&mutex, 0);
}
