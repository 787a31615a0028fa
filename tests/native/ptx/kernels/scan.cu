// SPDX-License-Identifier: BSD-3-Clause
// Inclusive prefix sum in three kernels: within blocks (Blelloch's tree), over block totals, adding offsets.
extern "C" __global__ void scan_blocks(int* data, int* totals, int n) {
  extern __shared__ int tree[];
  int t = threadIdx.x, base = blockIdx.x * 2 * blockDim.x, width = 2 * blockDim.x;
  int first = base + t < n ? data[base + t] : 0, second = base + t + blockDim.x < n ? data[base + t + blockDim.x] : 0;
  tree[t] = first;
  tree[t + blockDim.x] = second;
  int offset = 1;
  for (int d = width / 2; d > 0; d /= 2, offset *= 2) {
    __syncthreads();
    if (t < d) tree[offset * (2 * t + 2) - 1] += tree[offset * (2 * t + 1) - 1];
  }
  if (t == 0) {
    totals[blockIdx.x] = tree[width - 1];
    tree[width - 1] = 0;
  }
  for (int d = 1; d < width; d *= 2) {
    offset /= 2;
    __syncthreads();
    if (t < d) {
      int a = offset * (2 * t + 1) - 1, b = offset * (2 * t + 2) - 1, kept = tree[a];
      tree[a] = tree[b];
      tree[b] += kept;
    }
  }
  __syncthreads();
  if (base + t < n) data[base + t] = tree[t] + first;
  if (base + t + blockDim.x < n) data[base + t + blockDim.x] = tree[t + blockDim.x] + second;
}

extern "C" __global__ void add_offsets(int* data, const int* totals, int n) {
  int offset = 0;
  for (int b = 0; b < blockIdx.x; ++b) offset += totals[b];
  for (int i = threadIdx.x; i < 2 * blockDim.x; i += blockDim.x) {
    int at = blockIdx.x * 2 * blockDim.x + i;
    if (at < n) data[at] += offset;
  }
}

// Warp by warp with shuffles and lane masks.
extern "C" __global__ void scan_warp(int* data) {
  int lane = threadIdx.x & 31, x = data[threadIdx.x];
  for (int step = 1; step < 32; step *= 2) {
    int below = __shfl_up_sync(~0u, x, step);
    if (lane >= step) x += below;
  }
  data[threadIdx.x] = x;
}
