// SPDX-License-Identifier: BSD-3-Clause
// Memory pools of one's own: their settings and figures, and the device's current pool. (How much a pool
// keeps of what was freed is a matter of speed and not looked at.)
//
// expected:
// in use 1048576, most 1048576
// after the free and a trim: 0 in use, 0 reserved
// the device's pool is ours: 1, then the default again: 1
// allocated from the current pool: 1
// ok
#include "conformance.h"

static unsigned long long figure(cudaMemPool_t pool, cudaMemPoolAttr which) {
  unsigned long long value;
  CHECK(cudaMemPoolGetAttribute(pool, which, &value));
  return value;
}

static cudaMemPool_t make_pool() {
  cudaMemPool_t pool;
  cudaMemPoolProps properties = {};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = 0;
  CHECK(cudaMemPoolCreate(&pool, &properties));
  unsigned long long keep = ~0ull;
  CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
  REQUIRE(figure(pool, cudaMemPoolAttrReleaseThreshold) == keep);
  return pool;
}

static cudaMemPool_t current_pool() {
  cudaMemPool_t pool;
  CHECK(cudaDeviceGetMemPool(&pool, 0));
  return pool;
}

int main() {
  const size_t bytes = 1 << 20;
  cudaMemPool_t pool = make_pool(), normal;
  void* memory;
  CHECK(cudaMallocFromPoolAsync(&memory, bytes, pool, nullptr));
  CHECK(cudaStreamSynchronize(nullptr));
  std::printf("in use %llu, most %llu\n", figure(pool, cudaMemPoolAttrUsedMemCurrent),
              figure(pool, cudaMemPoolAttrUsedMemHigh));
  CHECK(cudaFreeAsync(memory, nullptr));
  CHECK(cudaStreamSynchronize(nullptr));
  CHECK(cudaMemPoolTrimTo(pool, 0));
  std::printf("after the free and a trim: %llu in use, %llu reserved\n",
              figure(pool, cudaMemPoolAttrUsedMemCurrent), figure(pool, cudaMemPoolAttrReservedMemCurrent));
  CHECK(cudaDeviceGetDefaultMemPool(&normal, 0));
  CHECK(cudaDeviceSetMemPool(0, pool));
  const bool ours = current_pool() == pool;
  CHECK(cudaMallocAsync(&memory, bytes, nullptr));
  CHECK(cudaStreamSynchronize(nullptr));
  const bool from_current = figure(pool, cudaMemPoolAttrUsedMemCurrent) == bytes;
  CHECK(cudaFreeAsync(memory, nullptr));
  CHECK(cudaStreamSynchronize(nullptr));
  CHECK(cudaDeviceSetMemPool(0, normal));
  std::printf("the device's pool is ours: %d, then the default again: %d\n", ours, current_pool() == normal);
  std::printf("allocated from the current pool: %d\n", from_current);
  CHECK(cudaMemPoolDestroy(pool));
  return done();
}
