// SPDX-License-Identifier: BSD-3-Clause
// What driver calls cost that nobody waits for. Usage: calls [PART], which makes a PART-th of the calls.
#include "work.h"

// enqueue: what the caller pays for a launch; through: until the device has seen them all, per launch.
static void asynchronous_launches(int count) {
  const double start = now_s();
  for (int i = 0; i < count; i++) launch();
  const double enqueued = now_s() - start;
  CHECK(cuStreamSynchronize(work.stream));
  printf("launch_enqueue_us %.4f\nlaunch_through_us %.4f\n", enqueued / count * 1e6,
         (now_s() - start) / count * 1e6);
}

static void allocations(int count) {
  const double start = now_s();
  for (int i = 0; i < count; i++) {
    CUdeviceptr pointer;
    CHECK(cuMemAlloc(&pointer, 1 << 16));
    CHECK(cuMemFree(pointer));
  }
  printf("alloc_free_us %.3f\n", (now_s() - start) / count * 1e6);
}

// Copies to the device that nobody waits for, per copy, until the device has them all.
static void posted_copies(int count) {
  void* host = random_bytes(4096);
  const double start = now_s();
  for (int i = 0; i < count; i++) CHECK(cuMemcpyHtoDAsync(work.a, host, 4096, work.stream));
  CHECK(cuStreamSynchronize(work.stream));
  printf("posted_4K_us %.3f\n", (now_s() - start) / count * 1e6);
  free(host);
}

int main(int argc, char** argv) {
  const int part = argc > 1 ? atoi(argv[1]) : 1;
  set_up();
  asynchronous_launches(200000 / part);
  allocations(3000 / part);
  posted_copies(20000 / part);
  return 0;
}
