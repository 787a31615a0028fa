// SPDX-License-Identifier: BSD-3-Clause
// A module with everything that softgpu reads from machine code: kernels, parameters, variables.
struct Wide { double a[12]; char tail; };
__device__ int counters[4] = {11, 22, 33, 44};
__device__ float untouched[256];
__constant__ float table[8] = {1.5f, 2.5f};
__device__ int* pointer = &counters[2];
extern "C" __global__ void plain(float* out, const float* in, int n, char flag) {
  __shared__ float tile[64];
  int i = threadIdx.x;
  tile[i] = in[i] + table[i & 7];
  __syncthreads();
  if (i < n) out[i] = tile[63 - i] + flag + untouched[i] + counters[i & 3] + *pointer;
}
extern "C" __global__ void __launch_bounds__(128) structured(Wide w, unsigned char c, double* out) {
  *out = w.a[c % 12] + w.tail;
}
extern "C" __global__ void nothing() {}
