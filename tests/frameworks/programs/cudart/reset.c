// SPDX-License-Identifier: BSD-3-Clause
// cudaDeviceReset and use after it, by the thread that reset and by another, on every GPU of the lease.
#include <pthread.h>

#include "compiled.h"

static void use(void) {
  unsigned *in, *out, host[64];
  CHECK(cudaMalloc((void**)&in, sizeof host));
  CHECK(cudaMalloc((void**)&out, sizeof host));
  for (unsigned i = 0; i < 64; ++i) host[i] = i;
  CHECK(cudaMemcpy(in, host, sizeof host, cudaMemcpyHostToDevice));
  scale_and_add(out, in, 2, 64, (dim3){1, 1, 1}, (dim3){64, 1, 1}, NULL);
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  for (unsigned i = 0; i < 64; ++i)
    EXPECT(host[i] == 2 * i + 7);  // 7: the variable has its first value again
}

static void* use_in_thread(void* device) {
  CHECK(cudaSetDevice((int)(long)device));
  use();
  return NULL;
}

int main(int count, char** arguments) {
  const int devices = count == 2 ? atoi(arguments[1]) : 0;
  size_t free_before, free_after, total;
  for (int round = 0; round < 3; ++round) {
    for (int device = 0; device < devices; ++device) {
      pthread_t thread;
      const int changed = 1000;
      CHECK(cudaSetDevice(device));
      CHECK(cudaMemGetInfo(&free_before, &total));
      use();
      EXPECT(pthread_create(&thread, NULL, use_in_thread, (void*)(long)device) == 0);
      pthread_join(thread, NULL);
      CHECK(cudaMemcpyToSymbol(&offset, &changed, sizeof changed, 0, cudaMemcpyHostToDevice));
      CHECK(cudaDeviceReset());
      CHECK(cudaMemGetInfo(&free_after, &total));  // what was not freed went with the context
      EXPECT(free_after == free_before);
      use();
      EXPECT(pthread_create(&thread, NULL, use_in_thread, (void*)(long)device) == 0);
      pthread_join(thread, NULL);
      CHECK(cudaDeviceReset());
    }
  }
  puts("ok");
  return 0;
}
