// SPDX-License-Identifier: BSD-3-Clause
// What the device says of itself: the properties and the attributes agree, the memory is the share's, and
// each question has one answer.
//
// expected:
// devices: at least 1, the current one 0
// named, warps of 32 and blocks of 1024: 1
// properties agree with attributes: 1
// memory agrees: 1
// versions: driver not older than 12 1, runtime 1
// found again by its address on the bus: 0
// kernels can use the host's addresses: 1
// ok
#include "conformance.h"

static bool agree(const cudaDeviceProp& p) {
  return p.multiProcessorCount == attribute(cudaDevAttrMultiProcessorCount) &&
         p.major == attribute(cudaDevAttrComputeCapabilityMajor) &&
         p.minor == attribute(cudaDevAttrComputeCapabilityMinor) &&
         p.maxThreadsPerMultiProcessor == attribute(cudaDevAttrMaxThreadsPerMultiProcessor) &&
         p.regsPerBlock == attribute(cudaDevAttrMaxRegistersPerBlock) &&
         static_cast<int>(p.sharedMemPerBlock) == attribute(cudaDevAttrMaxSharedMemoryPerBlock) &&
         static_cast<int>(p.sharedMemPerBlockOptin) == attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin) &&
         p.l2CacheSize == attribute(cudaDevAttrL2CacheSize) && p.pciBusID == attribute(cudaDevAttrPciBusId);
}

int main() {
  int count, current, driver, runtime, found;
  size_t free, total;
  char bus[32];
  cudaDeviceProp p;
  CHECK(cudaGetDeviceCount(&count));
  CHECK(cudaGetDevice(&current));
  std::printf("devices: at least %d, the current one %d\n", count >= 1, current);
  CHECK(cudaGetDeviceProperties(&p, 0));
  std::printf("named, warps of 32 and blocks of 1024: %d\n",
              p.name[0] && p.warpSize == 32 && p.maxThreadsPerBlock == 1024 && p.maxThreadsDim[2] == 64);
  std::printf("properties agree with attributes: %d\n", agree(p));
  CHECK(cudaMemGetInfo(&free, &total));
  std::printf("memory agrees: %d\n", free <= total && total == p.totalGlobalMem);
  CHECK(cudaDriverGetVersion(&driver));
  CHECK(cudaRuntimeGetVersion(&runtime));
  std::printf("versions: driver not older than 12 %d, runtime %d\n", driver >= 12000,
              runtime / 1000 == CUDART_VERSION / 1000);
  CHECK(cudaDeviceGetPCIBusId(bus, sizeof bus, 0));
  CHECK(cudaDeviceGetByPCIBusId(&found, bus));
  std::printf("found again by its address on the bus: %d\n", found);
  std::printf("kernels can use the host's addresses: %d\n", p.unifiedAddressing && p.canMapHostMemory);
  return done();
}
