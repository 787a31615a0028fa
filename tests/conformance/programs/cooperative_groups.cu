// SPDX-License-Identifier: BSD-3-Clause
// Groups within a block: tiles of a warp that shuffle and vote, the threads that are in a branch together,
// and parts of a tile.
//
// expected:
// tiles of 8: 28 92 156 220
// the even threads of a warp: 16
// tiles of 4 that found a multiple of 10: 3
// ok
#include "conformance.h"

#ifdef __CUDACC__
#include <cooperative_groups.h>
namespace cg = cooperative_groups;

extern "C" {
__global__ void tile_sums(int* sums) {
  const auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  int value = threadIdx.x;
  for (int step = tile.size() / 2; step; step /= 2) value += tile.shfl_down(value, step);
  if (tile.thread_rank() == 0) sums[tile.meta_group_rank()] = value;
}

__global__ void even_threads(int* count) {
  if (threadIdx.x % 2 == 0) {
    const auto active = cg::coalesced_threads();
    if (active.thread_rank() == 0) atomicAdd(count, active.size());
  }
}

__global__ void tiles_with_ten(int* count) {
  const auto tile = cg::tiled_partition<4>(cg::this_thread_block());
  const bool found = tile.any(threadIdx.x % 10 == 0 && threadIdx.x);
  if (tile.thread_rank() == 0 && found) atomicAdd(count, 1);
}
}
#endif  // __CUDACC__
KERNEL(tile_sums, int*);
KERNEL(even_threads, int*);
KERNEL(tiles_with_ten, int*);

int main() {
  const Device<int> sums(4);
  LAUNCH(tile_sums, {dim3(1), dim3(32)}, sums);
  const std::vector<int> seen = sums.read();
  std::printf("tiles of 8: %d %d %d %d\n", seen[0], seen[1], seen[2], seen[3]);
  const Device even(std::vector<int>{0}), tens(std::vector<int>{0});
  LAUNCH(even_threads, {dim3(1), dim3(32)}, even);
  std::printf("the even threads of a warp: %d\n", even.read()[0]);
  LAUNCH(tiles_with_ten, {dim3(1), dim3(32)}, tens);
  std::printf("tiles of 4 that found a multiple of 10: %d\n", tens.read()[0]);
  return done();
}
