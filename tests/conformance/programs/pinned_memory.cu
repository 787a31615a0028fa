// SPDX-License-Identifier: BSD-3-Clause
// Page-locked host memory: allocated and registered, its copies asynchronous, its attributes as asked for.
//
// expected:
// kinds of memory: host 1, device 1, neither 1
// flags 4
// 65536 bytes there and back, 0 wrong
// registered: 0 wrong; registered twice: cudaErrorHostMemoryAlreadyRegistered
// not registered: cudaErrorHostMemoryNotRegistered
// ok
#include <cstring>

#include "conformance.h"

static cudaMemoryType kind_of(const void* pointer) {
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, pointer));
  return attributes.type;
}

static int wrong_after_round_trip(unsigned char* host, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) host[i] = static_cast<unsigned char>(i * 7);
  const Device<unsigned char> device(bytes);
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream));
  CHECK(cudaStreamSynchronize(stream));
  std::memset(host, 0, bytes);
  CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream));
  CHECK(cudaStreamSynchronize(stream));
  CHECK(cudaStreamDestroy(stream));
  int wrong = 0;
  for (size_t i = 0; i < bytes; ++i) wrong += host[i] != static_cast<unsigned char>(i * 7);
  return wrong;
}

int main() {
  const size_t bytes = 1 << 16;
  unsigned char* pinned;
  CHECK(cudaHostAlloc(&pinned, bytes, cudaHostAllocWriteCombined));
  const Device<unsigned char> device(bytes);
  std::vector<unsigned char> plain(bytes + 4096);
  std::printf("kinds of memory: host %d, device %d, neither %d\n",
              kind_of(pinned + 100) == cudaMemoryTypeHost, kind_of(device + 100) == cudaMemoryTypeDevice,
              kind_of(plain.data()) == cudaMemoryTypeUnregistered);
  unsigned flags;
  CHECK(cudaHostGetFlags(&flags, pinned));
  std::printf("flags %u\n", flags & cudaHostAllocWriteCombined);
  std::printf("%zu bytes there and back, %d wrong\n", bytes, wrong_after_round_trip(pinned, bytes));
  CHECK(cudaFreeHost(pinned));

  CHECK(cudaHostRegister(plain.data(), plain.size(), cudaHostRegisterDefault));
  REQUIRE(kind_of(plain.data()) == cudaMemoryTypeHost);
  const int wrong = wrong_after_round_trip(plain.data(), bytes);
  const cudaError_t twice = cudaHostRegister(plain.data(), plain.size(), cudaHostRegisterDefault);
  std::printf("registered: %d wrong; registered twice: %s\n", wrong, cudaGetErrorName(twice));
  CHECK(cudaHostUnregister(plain.data()));
  std::printf("not registered: %s\n", cudaGetErrorName(cudaHostUnregister(plain.data())));
  cudaGetLastError();
  return done();
}
