// SPDX-License-Identifier: BSD-3-Clause
// Pi by counting points in a quarter circle; xorshift64* per thread, integers only, so the count is exact.
extern "C" __global__ void quarter_circle(unsigned long long* hits, int rounds) {
  unsigned long long state = 0x9E3779B97F4A7C15ull * (blockIdx.x * blockDim.x + threadIdx.x + 1);
  unsigned long long mine = 0;
  for (int i = 0; i < rounds; ++i) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    unsigned long long r = state * 0x2545F4914F6CDD1Dull;
    unsigned long long x = r >> 32, y = r & 0xFFFFFFFFull;
    mine += __umul64hi(x * x, 1ull << 63) + __umul64hi(y * y, 1ull << 63) < 1ull << 63;
  }
  atomicAdd(hits, mine);
}
