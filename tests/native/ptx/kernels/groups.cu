// SPDX-License-Identifier: BSD-3-Clause
// Cooperative groups: tiles, coalesced groups, block and grid synchronisation.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;

extern "C" __global__ void tiles(int* out, const int* in) {
  cg::thread_block block = cg::this_thread_block();
  auto tile = cg::tiled_partition<8>(block);
  int x = in[block.thread_rank()];
  int sum = x;
  for (int step = tile.size() / 2; step; step /= 2) sum += tile.shfl_xor(sum, step);
  int all = cg::reduce(tile, x, cg::plus<int>());
  int most = cg::reduce(cg::tiled_partition<32>(block), x, cg::greater<int>());
  int prefix = cg::inclusive_scan(tile, x);
  block.sync();
  out[4 * block.thread_rank()] = sum;
  out[4 * block.thread_rank() + 1] = all;
  out[4 * block.thread_rank() + 2] = most;
  out[4 * block.thread_rank() + 3] = prefix;
}

// Warp-aggregated atomics over whoever comes here.
extern "C" __global__ void filter(int* out, int* count, const int* in, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n && in[i] % 3 == 0) {
    cg::coalesced_group active = cg::coalesced_threads();
    int base;
    if (active.thread_rank() == 0) base = atomicAdd(count, active.size());
    out[active.shfl(base, 0) + active.thread_rank()] = in[i];
  }
}

// Launched cooperatively: every block waits for all the others, round by round.
extern "C" __global__ void rounds(int* cells, int n, int count) {
  cg::grid_group grid = cg::this_grid();
  int i = grid.thread_rank();
  for (int r = 0; r < count; ++r) {
    int next = cells[(r & 1) * n + (i + 1) % n] + 1;
    cells[(~r & 1) * n + i] = next;
    grid.sync();
  }
}
