// SPDX-License-Identifier: BSD-3-Clause
// Stream-ordered memory and its pools. Memory comes from the same grants as cuMemAlloc's (slabs.h).
#include <cstring>
#include <map>
#include <mutex>

#include "shim/api.h"
#include "shim/capture.h"
#include "shim/devices.h"
#include "shim/drained.h"
#include "shim/memory.h"
#include "shim/pool_figures.h"
#include "shim/request.h"
#include "shim/slabs.h"
#include "wire/graph_messages.h"

namespace shim {
namespace {

std::mutex mutex;
std::map<int, CUmemoryPool>& defaults = *new std::map<int, CUmemoryPool>;  // by GPU of the lease
std::map<int, CUmemoryPool>& chosen = *new std::map<int, CUmemoryPool>;

CUmemoryPool default_pool(int device) {
  const std::lock_guard lock(mutex);
  CUmemoryPool& pool = defaults[device];
  if (!pool) {
    pool = create<CUmemoryPool>();
    object_of(pool)->device = device;
  }
  return pool;
}

CUmemoryPool current_pool(int device) {
  {
    const std::lock_guard lock(mutex);
    if (const auto found = chosen.find(device); found != chosen.end()) return found->second;
  }
  return default_pool(device);
}

// The GPU of the lease where a location is one that has pools.
int pool_device(const CUmemLocation* location, CUmemAllocationType type) {
  require(location);
  require(location->type == CU_MEM_LOCATION_TYPE_DEVICE && type == CU_MEM_ALLOCATION_TYPE_PINNED,
          CUDA_ERROR_NOT_SUPPORTED);
  return devices::lease_ordinal(location->id);
}

void choose_pool(int device, CUmemoryPool pool) {
  require(object_of(pool)->device == device, CUDA_ERROR_INVALID_VALUE);
  const std::lock_guard lock(mutex);
  chosen[device] = pool;
}

// While a stream captures, memory belongs to the graph.
void allocate_in_graph(CUdeviceptr* dptr, size_t bytesize, int device, CUstream stream) {
  Request request(Opcode::CaptureAlloc, Context::any);
  request.in_context(context_of(stream));
  request.fields(wire::CaptureAlloc{id_of(stream), bytesize, device});
  const Reply reply = request.wait(Deferred::keep);
  *dptr = reply.decoder().take<uint64_t>();
  memory::add({.address = *dptr,
               .size = bytesize,
               .origin = memory::Origin::graph,
               .context = context_of(stream)->home,
               .device = device});
}

CUresult allocate(CUdeviceptr* dptr, size_t bytesize, CUmemoryPool pool, CUstream stream) {
  require(dptr);
  require(bytesize > 0, CUDA_ERROR_INVALID_VALUE);
  const PoolObject& from = *object_of(pool);
  if (capture::in_flight() && capture::is_capturing(stream)) [[unlikely]] {
    allocate_in_graph(dptr, bytesize, from.device, stream);
    return CUDA_SUCCESS;
  }
  ContextObject* behind = context_of(stream);
  contexts::require_usable(behind);
  ContextObject* context = behind->home;
  const uint64_t order = drained::of(stream).stream;
  pool_figures::take(from, context, bytesize);
  try {
    *dptr = slabs::take_in_order(context, from.device, bytesize, order);
  } catch (const Failure&) {
    pool_figures::give(from.id, context, bytesize);
    throw;
  }
  memory::add({.address = *dptr,
               .size = bytesize,
               .origin = memory::Origin::pooled,
               .context = context,
               .device = from.device,
               .pool = pool,
               .memory = from.id});
  return CUDA_SUCCESS;
}

bool is_flag(CUmemPool_attribute attribute) {
  return attribute <= CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES;
}

}  // namespace

namespace api {

CUresult cuMemAllocAsync(CUdeviceptr* dptr, size_t bytesize, CUstream hStream) {
  return allocate(dptr, bytesize, current_pool(context_of(hStream)->device), hStream);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream) {
  return allocate(dptr, bytesize, pool, hStream);
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream) {
  if (dptr == 0) return CUDA_SUCCESS;
  contexts::require_usable(contexts::current());
  const auto allocation = memory::find(dptr);
  require(allocation && allocation->address == dptr && memory::is_freed_by_address(*allocation),
          CUDA_ERROR_INVALID_VALUE);
  if (capture::in_flight() && capture::is_capturing(hStream)) [[unlikely]] {
    require(allocation->origin == memory::Origin::graph, CUDA_ERROR_INVALID_VALUE);
    post(wire::CaptureFree{id_of(hStream), dptr}, Context::current);
    return CUDA_SUCCESS;
  }
  memory::free(*allocation, drained::of(hStream).stream);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolCreate(CUmemoryPool* pool, const CUmemPoolProps* poolProps) {
  require(pool);
  require(poolProps);
  require(poolProps->allocType == CU_MEM_ALLOCATION_TYPE_PINNED, CUDA_ERROR_INVALID_VALUE);
  const bool ours = poolProps->location.type == CU_MEM_LOCATION_TYPE_DEVICE &&
                    poolProps->handleTypes == CU_MEM_HANDLE_TYPE_NONE;
  require(ours, CUDA_ERROR_NOT_SUPPORTED);
  const int device = devices::lease_ordinal(poolProps->location.id);
  CUmemoryPool made = create<CUmemoryPool>();
  object_of(made)->device = device;
  object_of(made)->max_size = poolProps->maxSize;
  *pool = made;
  return CUDA_SUCCESS;
}

CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  const PoolObject* object = object_of(pool);
  require(pool != default_pool(object->device), CUDA_ERROR_INVALID_VALUE);
  {
    const std::lock_guard lock(mutex);
    if (chosen[object->device] == pool) chosen.erase(object->device);
  }
  pool_figures::forget(object->id);  // what was allocated outlives it
  release(pool);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep) {
  object_of(pool);
  slabs::give_back_empty();
  return CUDA_SUCCESS;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void* value) {
  require(value);
  uint64_t number = 0;
  std::memcpy(&number, value, is_flag(attr) ? sizeof(int) : sizeof number);
  pool_figures::set(*object_of(pool), attr, number);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void* value) {
  require(value);
  const uint64_t number = pool_figures::get(*object_of(pool), attr);
  std::memcpy(value, &number, is_flag(attr) ? sizeof(int) : sizeof number);
  return CUDA_SUCCESS;
}

// A pool's own device may always use it; others may not yet.
CUresult cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc* map, size_t count) {
  require(map);
  const int device = object_of(pool)->device;
  for (size_t i = 0; i < count; ++i) {
    require(map[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_INVALID_VALUE);
    const bool own = devices::lease_ordinal(map[i].location.id) == device;
    require(!own || map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE, CUDA_ERROR_INVALID_DEVICE);
    require(own || map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_NONE, CUDA_ERROR_NOT_SUPPORTED);
  }
  return CUDA_SUCCESS;
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags* flags, CUmemoryPool memPool, CUmemLocation* location) {
  require(flags);
  require(location);
  const bool own = location->type == CU_MEM_LOCATION_TYPE_DEVICE &&
                   devices::lease_ordinal(location->id) == object_of(memPool)->device;
  *flags = own ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool_out, CUdevice dev) {
  require(pool_out);
  *pool_out = default_pool(devices::lease_ordinal(dev));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice dev) {
  require(pool);
  *pool = current_pool(devices::lease_ordinal(dev));
  return CUDA_SUCCESS;
}

CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool) {
  choose_pool(devices::lease_ordinal(dev), pool);
  return CUDA_SUCCESS;
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool* pool_out, CUmemLocation* location, CUmemAllocationType type) {
  require(pool_out);
  *pool_out = default_pool(pool_device(location, type));
  return CUDA_SUCCESS;
}

CUresult cuMemGetMemPool(CUmemoryPool* pool, CUmemLocation* location, CUmemAllocationType type) {
  require(pool);
  *pool = current_pool(pool_device(location, type));
  return CUDA_SUCCESS;
}

CUresult cuMemSetMemPool(CUmemLocation* location, CUmemAllocationType type, CUmemoryPool pool) {
  choose_pool(pool_device(location, type), pool);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
