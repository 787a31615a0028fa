// SPDX-License-Identifier: BSD-3-Clause
// What the threads of a warp do together: shuffles, votes, matches, and population counts of a mask.
//
// expected:
// down 16, up 15, xor 31, index 5
// votes: any 1, all 0, ballot ff
// sum of a warp 496
// matches of 4 values: 8 each
// in a branch: 11
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__global__ void shuffles(int* to) {
  const int lane = threadIdx.x;
  const int down = __shfl_down_sync(~0u, lane, 16), up = __shfl_up_sync(~0u, lane, 16);
  const int crossed = __shfl_xor_sync(~0u, lane, 31), fifth = __shfl_sync(~0u, lane, 5);
  if (lane == 0) to[0] = down, to[2] = crossed, to[3] = fifth;
  if (lane == 31) to[1] = up;
}

__global__ void votes(int* to) {
  const bool low = threadIdx.x < 8;
  const int any = __any_sync(~0u, low), all = __all_sync(~0u, low), ballot = __ballot_sync(~0u, low);
  int sum = threadIdx.x;
  for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  const int matches = __popc(__match_any_sync(~0u, threadIdx.x % 4));
  if (threadIdx.x == 0) to[0] = any, to[1] = all, to[2] = ballot, to[3] = sum, to[4] = matches;
  if (threadIdx.x % 3 == 1) {
    const int together = __popc(__activemask());
    if (threadIdx.x == 1) to[5] = together;
  }
}
}
#endif  // __CUDACC__
KERNEL(shuffles, int*);
KERNEL(votes, int*);

int main() {
  const Device<int> to(6);
  LAUNCH(shuffles, {dim3(1), dim3(32)}, to);
  std::vector<int> seen = to.read();
  std::printf("down %d, up %d, xor %d, index %d\n", seen[0], seen[1], seen[2], seen[3]);
  LAUNCH(votes, {dim3(1), dim3(32)}, to);
  seen = to.read();
  std::printf("votes: any %d, all %d, ballot %x\n", seen[0] != 0, seen[1] != 0, seen[2]);
  std::printf("sum of a warp %d\n", seen[3]);
  std::printf("matches of 4 values: %d each\n", seen[4]);
  std::printf("in a branch: %d\n", seen[5]);
  return done();
}
