// SPDX-License-Identifier: BSD-3-Clause
// The default stream as it always was: it waits for all blocking streams, and they for it; a non-blocking one
// does not.
//
// expected:
// the default stream waited for a blocking stream: 1
// a blocking stream waited for the default stream: 1
// the default stream ran beside a non-blocking one: 1
// ok
#include "default_stream_kernels.h"

int main() {
  REQUIRE(handle(copy) != nullptr && handle(wait_then_store) != nullptr);
  cudaStream_t blocking, nonblocking;
  CHECK(cudaStreamCreate(&blocking));
  CHECK(cudaStreamCreateWithFlags(&nonblocking, cudaStreamNonBlocking));
  waited(blocking, blocking);  // loads the kernels
  std::printf("the default stream waited for a blocking stream: %d\n", waited(blocking, nullptr));
  std::printf("a blocking stream waited for the default stream: %d\n", waited(nullptr, blocking));
  std::printf("the default stream ran beside a non-blocking one: %d\n", beside(nonblocking, nullptr));
  CHECK(cudaStreamDestroy(blocking));
  CHECK(cudaStreamDestroy(nonblocking));
  return done();
}
