// SPDX-License-Identifier: BSD-3-Clause
// Stream priorities, flags and identities: the range that the device has, what a stream says of itself, and
// values outside the range.
//
// expected:
// greatest is lower in number: 1
// priorities as asked for: 1 1
// outside the range, the nearest: 1
// non-blocking: 1 0
// identities differ: 1
// ok
#include "conformance.h"

static int priority_of(int asked) {
  cudaStream_t stream;
  int priority;
  CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, asked));
  CHECK(cudaStreamGetPriority(stream, &priority));
  CHECK(cudaStreamDestroy(stream));
  return priority;
}

int main() {
  int least, greatest;
  CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  std::printf("greatest is lower in number: %d\n", greatest <= least);
  std::printf("priorities as asked for: %d %d\n", priority_of(least) == least,
              priority_of(greatest) == greatest);
  std::printf("outside the range, the nearest: %d\n", priority_of(greatest - 100) == greatest);
  cudaStream_t first, second;
  unsigned flags, other_flags;
  CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  CHECK(cudaStreamCreate(&second));
  CHECK(cudaStreamGetFlags(first, &flags));
  CHECK(cudaStreamGetFlags(second, &other_flags));
  std::printf("non-blocking: %u %u\n", flags, other_flags);
  unsigned long long id, other_id;
  CHECK(cudaStreamGetId(first, &id));
  CHECK(cudaStreamGetId(second, &other_id));
  std::printf("identities differ: %d\n", id != other_id);
  CHECK(cudaStreamDestroy(first));
  CHECK(cudaStreamDestroy(second));
  return done();
}
