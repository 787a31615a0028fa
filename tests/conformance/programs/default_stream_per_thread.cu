// SPDX-License-Identifier: BSD-3-Clause
// Each thread's own default stream: it waits for nobody, and each thread has another one.
//
// default stream: per-thread
//
// expected:
// the default stream ran beside a blocking one: 1
// another thread's default stream ran beside ours: 1
// the legacy stream waited for a blocking one: 1
// ok
#include <thread>

#include "default_stream_kernels.h"

int main() {
  REQUIRE(handle(copy) != nullptr && handle(wait_then_store) != nullptr);
  cudaStream_t blocking, nonblocking;
  CHECK(cudaStreamCreate(&blocking));
  CHECK(cudaStreamCreateWithFlags(&nonblocking, cudaStreamNonBlocking));
  waited(blocking, blocking);  // loads the kernels
  std::printf("the default stream ran beside a blocking one: %d\n", beside(blocking, nullptr));
  // A thread's default stream has the same name in every thread: an event says whether the other's work is
  // done.
  const Device flag(std::vector<int>{0}), to(std::vector<int>{0}), mine(std::vector<int>{0});
  CHECK(cudaDeviceSynchronize());
  LAUNCH(wait_then_store, {dim3(1), dim3(1)}, flag, to, 3);
  std::thread([&] {
    CHECK(cudaSetDevice(0));
    LAUNCH(copy, {dim3(1), dim3(1)}, flag, mine);
    CHECK(cudaStreamSynchronize(nullptr));
  }).join();
  const bool running = cudaStreamQuery(nullptr) == cudaErrorNotReady;
  const int one = 1;
  CHECK(cudaMemcpyAsync(flag, &one, sizeof one, cudaMemcpyHostToDevice, nonblocking));
  CHECK(cudaStreamSynchronize(nullptr));
  std::printf("another thread's default stream ran beside ours: %d\n", running && to.read()[0] == 3);
  std::printf("the legacy stream waited for a blocking one: %d\n", waited(blocking, cudaStreamLegacy));
  CHECK(cudaStreamDestroy(blocking));
  CHECK(cudaStreamDestroy(nonblocking));
  return done();
}
