// SPDX-License-Identifier: BSD-3-Clause
// Barriers that count, votes, matches and lane masks.
extern "C" __global__ void counts(int* out, const int* in, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int odd = in[i] & 1;
  out[i] = __syncthreads_count(odd);
  out[n + i] = __syncthreads_and(in[i] >= 0);
  out[2 * n + i] = __syncthreads_or(in[i] == 77);
  out[3 * n + i] = __popc(__ballot_sync(~0u, odd));
  out[4 * n + i] = __any_sync(~0u, in[i] == 77) * 2 + __all_sync(~0u, in[i] >= 0);
  out[5 * n + i] = __match_any_sync(~0u, in[i] % 4);
  out[6 * n + i] = __reduce_add_sync(~0u, in[i]);
  out[7 * n + i] = __ffs(__activemask());
}
