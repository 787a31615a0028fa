// SPDX-License-Identifier: BSD-3-Clause
// How fast bytes travel, by size, from and to pageable and page-locked memory. Usage: copies BYTES SMALLEST
// LARGEST: each figure moves about BYTES in all; sizes in KiB, each four times the one before.
#include <string.h>

#include "work.h"

enum { kMostCopies = 4000, kGrowth = 4 };

static int copies_of(size_t size, size_t total) {
  const size_t count = total / size;
  return count < 2 ? 2 : count > kMostCopies ? kMostCopies : (int)count;
}

static void measure(const char* kind, void* host, size_t size, int count) {
  CUdeviceptr device;
  CHECK(cuMemAlloc(&device, size));
  CHECK(cuMemcpyHtoD(device, host, size));
  CHECK(cuCtxSynchronize());
  double start = now_s();
  for (int i = 0; i < count; i++) CHECK(cuMemcpyHtoD(device, host, size));
  CHECK(cuCtxSynchronize());
  const double up = now_s() - start;
  start = now_s();
  for (int i = 0; i < count; i++) CHECK(cuMemcpyDtoH(host, device, size));
  const double down = now_s() - start;
  printf("h2d_%s_%zuK_GBps %.4f\n", kind, size >> 10, size * count / up / 1e9);
  printf("d2h_%s_%zuK_GBps %.4f\n", kind, size >> 10, size * count / down / 1e9);
  CHECK(cuMemFree(device));
}

int main(int argc, char** argv) {
  require(argc == 4, "usage: copies BYTES SMALLEST LARGEST");
  const size_t total = strtoull(argv[1], NULL, 10);
  const size_t smallest = strtoull(argv[2], NULL, 10) << 10, largest = strtoull(argv[3], NULL, 10) << 10;
  set_up();
  void* pageable = random_bytes(largest);
  void* pinned;
  CHECK(cuMemHostAlloc(&pinned, largest, 0));
  memcpy(pinned, pageable, largest);
  for (size_t size = smallest; size <= largest; size *= kGrowth) {
    measure("pageable", pageable, size, copies_of(size, total));
    measure("pinned", pinned, size, copies_of(size, total));
  }
  CHECK(cuMemFreeHost(pinned));
  return 0;
}
