// SPDX-License-Identifier: BSD-3-Clause
// Barriers that are variables (cuda::barrier), with copies that arrive at them, and a pipeline on top.
#include <cooperative_groups.h>
#include <cuda/barrier>
#include <cuda/pipeline>
using Barrier = cuda::barrier<cuda::thread_scope_block>;

// Half of the block produces, the other half consumes, through one buffer and two barriers.
extern "C" __global__ void hand_over(int* out, const int* in, int rounds) {
  __shared__ int buffer[64];
#pragma nv_diag_suppress static_var_with_dynamic_init
  __shared__ Barrier full, empty;
  if (threadIdx.x == 0) init(&full, blockDim.x), init(&empty, blockDim.x);
  __syncthreads();
  bool producer = threadIdx.x < 64;
  int i = threadIdx.x % 64;
  for (int round = 0; round < rounds; ++round) {
    if (producer) {
      if (round > 0) empty.arrive_and_wait();
      buffer[i] = in[round * 64 + i];
      (void)full.arrive();
    } else {
      full.arrive_and_wait();
      out[round * 64 + i] = buffer[63 - i] * 2;
      (void)empty.arrive();
    }
  }
}

// Each thread copies for its neighbour; the barrier knows when the copies are there.
extern "C" __global__ void copied(int* out, const int* in) {
  __shared__ int buffer[128];
  __shared__ Barrier there;
  if (threadIdx.x == 0) init(&there, blockDim.x);
  __syncthreads();
  cuda::memcpy_async(&buffer[threadIdx.x], &in[threadIdx.x], sizeof(int), there);
  there.arrive_and_wait();
  out[threadIdx.x] = buffer[threadIdx.x ^ 1];
}

// Threads leave one by one; those that stay do not wait for them.
extern "C" __global__ void leavers(int* out) {
  __shared__ Barrier barrier;
  __shared__ int count;
  if (threadIdx.x == 0) init(&barrier, blockDim.x), count = 0;
  __syncthreads();
  for (int round = 0; round < 64; ++round) {
    if (round == threadIdx.x) return barrier.arrive_and_drop();
    atomicAdd(&count, 1);
    barrier.arrive_and_wait();
    if (threadIdx.x == 63) out[round] = count;
    barrier.arrive_and_wait();
  }
}

// Two stages: the next tile is on its way while this one is summed.
extern "C" __global__ void stages(int* out, const int* in, int tiles) {
  __shared__ int tile[2][64];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
  auto block = cooperative_groups::this_thread_block();
  auto pipeline = cuda::make_pipeline(block, &state);
  int sum = 0;
  for (int fetched = 0, used = 0; used < tiles; ++used) {
    for (; fetched < tiles && fetched < used + 2; ++fetched) {
      pipeline.producer_acquire();
      cuda::memcpy_async(block, tile[fetched % 2], in + fetched * 64, sizeof tile[0], pipeline);
      pipeline.producer_commit();
    }
    pipeline.consumer_wait();
    sum += tile[used % 2][(threadIdx.x + used) % 64];
    pipeline.consumer_release();
  }
  out[threadIdx.x] = sum;
}
