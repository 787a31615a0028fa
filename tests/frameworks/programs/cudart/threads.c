// SPDX-License-Identifier: BSD-3-Clause
// Threads with the per-thread default stream: built with CUDA_API_PER_THREAD_DEFAULT_STREAM, so that every
// call without a stream is the variant for the thread's own.
#include <pthread.h>

#include "compiled.h"

enum { kThreads = 8, kRounds = 20, kCount = 1000 };

static int devices;

static void* work(void* argument) {
  const unsigned number = (unsigned)(long)argument;
  unsigned *in, *out, host[kCount];
  CHECK(cudaSetDevice((int)number % devices));
  CHECK(cudaMalloc((void**)&in, sizeof host));
  CHECK(cudaMalloc((void**)&out, sizeof host));
  for (unsigned round = 1; round <= kRounds; ++round) {
    for (unsigned i = 0; i < kCount; ++i) host[i] = i + number;
    CHECK(cudaMemcpyAsync(in, host, sizeof host, cudaMemcpyHostToDevice, 0));
    scale_and_add(out, in, round, kCount, (dim3){4, 1, 1}, (dim3){256, 1, 1},
                  round % 2 ? 0 : cudaStreamPerThread);
    CHECK(cudaMemcpyAsync(host, out, sizeof host, cudaMemcpyDeviceToHost, 0));
    CHECK(cudaStreamSynchronize(0));
    for (unsigned i = 0; i < kCount; ++i) EXPECT(host[i] == (i + number) * round + 7);
  }
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return NULL;
}

int main(int count, char** arguments) {
  pthread_t threads[kThreads];
  devices = count == 2 ? atoi(arguments[1]) : 0;
  for (long i = 0; i < kThreads; ++i) EXPECT(pthread_create(&threads[i], NULL, work, (void*)i) == 0);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  puts("ok");
  return 0;
}
