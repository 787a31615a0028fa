// SPDX-License-Identifier: BSD-3-Clause
// Managed variables: host and device use them by name, and by the address that the host passes on.
//
// expected:
// the host finds what the variables began with: 5, 0
// after a kernel the host sees 8 of 8 sums, and 13 launches counted
// and the kernel what the host wrote: 8 of 8
// through a pointer from the host: 8 of 8
// copied there with cudaMemcpy: 42
// managed: 1
// ok
#include "conformance.h"

#ifdef __CUDACC__
__managed__ int launches = 5;
__managed__ int table[30000];

extern "C" __global__ void fill(int step) {
  table[threadIdx.x * 4000] += step * threadIdx.x;
  if (threadIdx.x == 0) launches += 8;
}

extern "C" __global__ void add_to(int* data, int value) { data[threadIdx.x * 4000] += value; }
#endif  // __CUDACC__
KERNEL(fill, int);
KERNEL(add_to, int*, int);
MANAGED(int, launches);
MANAGED(int[30000], table);

static int count_right(int step, int more) {
  int right = 0;
  for (int i = 0; i < 8; ++i) right += here_table()[i * 4000] == step * i + more;
  return right;
}

int main() {
  CHECK(cudaSetDevice(0));
  std::printf("the host finds what the variables began with: %d, %d\n", here_launches(), here_table()[4000]);
  LAUNCH(fill, {dim3(1), dim3(8)}, 3);
  CHECK(cudaDeviceSynchronize());
  std::printf("after a kernel the host sees %d of 8 sums, and %d launches counted\n", count_right(3, 0),
              here_launches());
  for (int i = 0; i < 8; ++i) here_table()[i * 4000] = 10;
  LAUNCH(fill, {dim3(1), dim3(8)}, 2);
  CHECK(cudaDeviceSynchronize());
  std::printf("and the kernel what the host wrote: %d of 8\n", count_right(2, 10));
  LAUNCH(add_to, {dim3(1), dim3(8)}, here_table(), 7);
  CHECK(cudaDeviceSynchronize());
  std::printf("through a pointer from the host: %d of 8\n", count_right(2, 17));
  const int value = 42;
  CHECK(cudaMemcpy(&here_launches(), &value, sizeof value, cudaMemcpyDefault));
  std::printf("copied there with cudaMemcpy: %d\n", here_launches());
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, here_table()));
  std::printf("managed: %d\n", attributes.type == cudaMemoryTypeManaged);
  return done();
}
