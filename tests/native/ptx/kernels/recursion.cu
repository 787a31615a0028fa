// SPDX-License-Identifier: BSD-3-Clause
// Recursion that the compiler cannot flatten.
__device__ __noinline__ unsigned ackermann(unsigned m, unsigned n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

__device__ __noinline__ void quicksort(int* low, int* high) {
  if (low >= high) return;
  int pivot = *(low + (high - low) / 2);
  int *i = low, *j = high;
  while (i <= j) {
    while (*i < pivot) ++i;
    while (*j > pivot) --j;
    if (i <= j) {
      int kept = *i;
      *i++ = *j;
      *j-- = kept;
    }
  }
  quicksort(low, j);
  quicksort(i, high);
}

extern "C" __global__ void ackermanns(unsigned* out) { out[threadIdx.x] = ackermann(threadIdx.x % 3, threadIdx.x / 3); }

extern "C" __global__ void sort_rows(int* rows, int count) {
  int* mine = rows + (blockIdx.x * blockDim.x + threadIdx.x) * count;
  quicksort(mine, mine + count - 1);
}
