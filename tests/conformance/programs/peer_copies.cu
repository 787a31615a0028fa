// SPDX-License-Identifier: BSD-3-Clause
// Two GPUs: memory of each, copies from one to the other with and without peer access, an event of one waited
// for on the other, and a kernel that reads the other's memory.
//
// gpus: 2
//
// expected:
// devices: 2, pointers tell theirs: 0 1
// copied to the other: 0 wrong
// copied by address alone: 0 wrong
// after the other's event: 0 wrong
// read across: 0 wrong
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void fill(int* data, int length, int factor) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) data[i] = i * factor;
}

extern "C" __global__ void add(int* to, const int* from, int length) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) to[i] += from[i];
}
#endif  // __CUDACC__
KERNEL(fill, int*, int, int);
KERNEL(add, int*, const int*, int);

static const int length = 3000;
static const Shape shape = {dim3(24), dim3(128)};

static int wrong_in(const Device<int>& data, int factor) {
  const std::vector<int> seen = data.read();
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += seen[i] != i * factor;
  return wrong;
}

static int device_of(const void* pointer) {
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, pointer));
  return attributes.device;
}

static int wrong_after_event(const Device<int>& near, const Device<int>& far) {
  cudaStream_t first, second;
  cudaEvent_t filled;
  CHECK(cudaSetDevice(0));
  CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  CHECK(cudaEventCreateWithFlags(&filled, cudaEventDisableTiming));
  LAUNCH(fill, {shape.grid, shape.block, 0, first}, near, length, 5);
  CHECK(cudaEventRecord(filled, first));
  CHECK(cudaSetDevice(1));
  CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  CHECK(cudaStreamWaitEvent(second, filled, 0));
  CHECK(cudaMemcpyPeerAsync(far, 1, near, 0, near.bytes(), second));
  CHECK(cudaStreamSynchronize(second));
  CHECK(cudaStreamDestroy(second));
  CHECK(cudaSetDevice(0));
  CHECK(cudaStreamDestroy(first));
  CHECK(cudaEventDestroy(filled));
  return wrong_in(far, 5);
}

// Where the two cannot reach each other's memory there is nothing to see.
static int wrong_across(const Device<int>& near, const Device<int>& far) {
  int can;
  CHECK(cudaDeviceCanAccessPeer(&can, 0, 1));
  if (!can) return 0;
  CHECK(cudaSetDevice(0));
  CHECK(cudaDeviceEnablePeerAccess(1, 0));
  REQUIRE(cudaDeviceEnablePeerAccess(1, 0) == cudaErrorPeerAccessAlreadyEnabled);
  cudaGetLastError();
  LAUNCH(add, shape, near, far, length);
  const int wrong = wrong_in(near, 10);
  CHECK(cudaDeviceDisablePeerAccess(1));
  return wrong;
}

int main() {
  int devices;
  CHECK(cudaGetDeviceCount(&devices));
  REQUIRE(devices >= 2);
  CHECK(cudaSetDevice(0));
  const Device<int> near(length);
  CHECK(cudaSetDevice(1));
  const Device<int> far(length), other(length);
  std::printf("devices: %d, pointers tell theirs: %d %d\n", devices, device_of(near), device_of(far));
  CHECK(cudaSetDevice(0));
  LAUNCH(fill, shape, near, length, 3);
  CHECK(cudaMemcpyPeer(far, 1, near, 0, near.bytes()));
  std::printf("copied to the other: %d wrong\n", wrong_in(far, 3));
  CHECK(cudaSetDevice(1));
  LAUNCH(fill, shape, far, length, 4);
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaMemcpy(near, far, near.bytes(), cudaMemcpyDefault));
  std::printf("copied by address alone: %d wrong\n", wrong_in(near, 4));
  std::printf("after the other's event: %d wrong\n", wrong_after_event(near, far));
  std::printf("read across: %d wrong\n", wrong_across(near, far));
  CHECK(cudaSetDevice(1));
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaSetDevice(0));
  return done();
}
