// SPDX-License-Identifier: BSD-3-Clause
// Sums and extremes: shuffles within the warp, shared memory within the block, one atomic a block.
template <class T>
__device__ T warp_sum(T x) {
  for (int step = 16; step; step /= 2) x += __shfl_down_sync(~0u, x, step);
  return x;
}

template <class T>
__device__ void block_sum(T* out, const T* in, int n) {
  __shared__ T partial[32];
  T sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += in[i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : T(0);
    sum = warp_sum(sum);
    if (threadIdx.x == 0) atomicAdd(out, sum);
  }
}

extern "C" __global__ void sum_int(int* out, const int* in, int n) { block_sum(out, in, n); }
extern "C" __global__ void sum_double(double* out, const double* in, int n) { block_sum(out, in, n); }
extern "C" __global__ void sum_u64(unsigned long long* out, const unsigned long long* in, int n) {
  block_sum(out, in, n);
}
extern "C" __global__ void extremes(int* out, const int* in, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  atomicMin(out, in[i]);
  atomicMax(out + 1, in[i]);
}
