// SPDX-License-Identifier: BSD-3-Clause
// Constant tables, device variables with initial values, pointers to them, a static local counter.
__constant__ double polynomial[4] = {1.0, -0.5, 0.25, 2.0};
__device__ int counter = 5;
__device__ int* pointer = &counter;
__device__ const char* words[3] = {"zero", "one", "two"};
__shared__ int sum_of_block;

__device__ int ticket() {
  static int next = 100;
  return atomicAdd(&next, 1);
}

extern "C" __global__ void globals(double* values, int* out, const double* xs) {
  int t = threadIdx.x;
  double p = 0;
  for (int k = 3; k >= 0; --k) p = p * xs[t] + polynomial[k];
  values[t] = p;
  if (t == 0) sum_of_block = 0;
  __syncthreads();
  atomicAdd(pointer, 2);
  atomicAdd(&sum_of_block, words[t % 3][0]);
  int mine = ticket();
  __syncthreads();
  out[t] = mine;
  if (t == 0) {
    out[32] = counter;
    out[33] = sum_of_block;
  }
}
