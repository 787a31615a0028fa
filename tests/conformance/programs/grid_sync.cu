// SPDX-License-Identifier: BSD-3-Clause
// A cooperative launch: all blocks of the grid wait for each other between rounds.
//
// expected:
// supported: 1
// after 5 rounds: 0 wrong
// more blocks than fit: cudaErrorCooperativeLaunchTooLarge
// ok
#include "conformance.h"

#ifdef __CUDACC__
#include <cooperative_groups.h>

// Every element becomes the sum of its two neighbours on a ring, round for round.
extern "C" __global__ void neighbours(unsigned* from, unsigned* to, int length, int rounds) {
  const auto grid = cooperative_groups::this_grid();
  for (int round = 0; round < rounds; ++round) {
    for (int i = grid.thread_rank(); i < length; i += grid.size())
      to[i] = from[(i + length - 1) % length] + from[(i + 1) % length];
    grid.sync();
    unsigned* const written = to;
    to = from;
    from = written;
  }
}
#endif  // __CUDACC__
KERNEL(neighbours, unsigned*, unsigned*, int, int);

static std::vector<unsigned> on_the_host(std::vector<unsigned> from, int rounds) {
  const size_t length = from.size();
  for (; rounds; --rounds) {
    std::vector<unsigned> to(length);
    for (size_t i = 0; i < length; ++i) to[i] = from[(i + length - 1) % length] + from[(i + 1) % length];
    from = to;
  }
  return from;
}

int main() {
  std::printf("supported: %d\n", attribute(cudaDevAttrCooperativeLaunch));
  int length = 1000, rounds = 5, per_sm, wrong = 0;
  std::vector<unsigned> start(length);
  for (int i = 0; i < length; ++i) start[i] = i * i;
  const Device from(start), to(start);
  unsigned *first = from, *second = to;
  void* arguments[] = {&first, &second, &length, &rounds};
  CHECK(cudaLaunchCooperativeKernel(handle(neighbours), dim3(4), dim3(128), arguments, 0, nullptr));
  const std::vector<unsigned> seen = to.read(), expected = on_the_host(start, rounds);
  for (int i = 0; i < length; ++i) wrong += seen[i] != expected[i];
  std::printf("after %d rounds: %d wrong\n", rounds, wrong);
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_sm, handle(neighbours), 128, 0));
  const unsigned most = static_cast<unsigned>(per_sm * attribute(cudaDevAttrMultiProcessorCount));
  const cudaError_t refused =
      cudaLaunchCooperativeKernel(handle(neighbours), dim3(most + 1), dim3(128), arguments, 0, nullptr);
  cudaGetLastError();
  std::printf("more blocks than fit: %s\n", cudaGetErrorName(refused));
  return done();
}
