// SPDX-License-Identifier: BSD-3-Clause
// Atomic operations of many threads on the same words, in global and in shared memory.
//
// expected:
// add 4096, sub -4096, min 0, max 4095, and 0, or 4095, xor 0
// increments wrap at 100: 96, decrements: 4
// 64 bits 17592186044416, float 4096.0, double 2048.0
// exchanged once each: 1, compare and swap counted 4096
// histogram in shared memory: 16 bins of 256
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__global__ void all(int* words, unsigned* rings, unsigned long long* wide, float* single, double* twofold) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(words + 0, 1);
  atomicSub(words + 1, 1);
  atomicMin(words + 2, i);
  atomicMax(words + 3, i);
  atomicAnd(words + 4, i);
  atomicOr(words + 5, i);
  atomicXor(words + 6, i);
  atomicInc(rings + 0, 99);
  atomicDec(rings + 1, 99);
  atomicAdd(wide, 1ull << 32);
  atomicAdd(single, 1.0f);
  atomicAdd(twofold, 0.5);
}

__global__ void exchange(int* slot, int* taken, unsigned* counter) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x + 1;
  atomicAdd(taken, atomicExch(slot, i));
  for (unsigned seen = *counter, assumed = ~seen; assumed != seen;) {
    assumed = seen;
    seen = atomicCAS(counter, assumed, assumed + 1);
  }
}

__global__ void histogram(const int* values, int* bins) {
  __shared__ int mine[16];
  if (threadIdx.x < 16) mine[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(mine + values[blockIdx.x * blockDim.x + threadIdx.x] % 16, 1);
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(bins + threadIdx.x, mine[threadIdx.x]);
}
}
#endif  // __CUDACC__
KERNEL(all, int*, unsigned*, unsigned long long*, float*, double*);
KERNEL(exchange, int*, int*, unsigned*);
KERNEL(histogram, const int*, int*);

static const int threads = 4096;
static const Shape shape = {dim3(threads / 128), dim3(128)};

static void check_all() {
  const Device words(std::vector<int>{0, 0, 1 << 30, -1, -1, 0, 0});
  const Device rings(std::vector<unsigned>{0, 0});
  const Device wide(std::vector<unsigned long long>{0});
  const Device single(std::vector<float>{0});
  const Device twofold(std::vector<double>{0});
  LAUNCH(all, shape, words, rings, wide, single, twofold);
  const std::vector<int> w = words.read();
  std::printf("add %d, sub %d, min %d, max %d, and %d, or %d, xor %d\n", w[0], w[1], w[2], w[3], w[4], w[5],
              w[6]);
  const std::vector<unsigned> r = rings.read();
  // 4096 turns of a ring of 100 places: 96 on from 0, and 96 back.
  std::printf("increments wrap at 100: %u, decrements: %u\n", r[0], r[1]);
  std::printf("64 bits %llu, float %.1f, double %.1f\n", wide.read()[0], single.read()[0], twofold.read()[0]);
}

static void check_exchange() {
  const Device slot(std::vector<int>{0}), taken(std::vector<int>{0});
  const Device counter(std::vector<unsigned>{0});
  LAUNCH(exchange, shape, slot, taken, counter);
  const int sum = taken.read()[0] + slot.read()[0];
  std::printf("exchanged once each: %d, compare and swap counted %u\n", sum == threads * (threads + 1) / 2,
              counter.read()[0]);
}

int main() {
  check_all();
  check_exchange();
  std::vector<int> values(threads);
  for (int i = 0; i < threads; ++i) values[i] = i * 7;
  const Device data(values), bins(std::vector<int>(16, 0));
  LAUNCH(histogram, shape, data, bins);
  const std::vector<int> seen = bins.read();
  int even = 0;
  for (const int bin : seen) even += bin == threads / 16;
  std::printf("histogram in shared memory: %d bins of %d\n", even, threads / 16);
  return done();
}
