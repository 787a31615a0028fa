// SPDX-License-Identifier: BSD-3-Clause
// Stream-ordered allocation.
#include "capture.h"
#include "current.h"
#include "memory.h"
#include "pool.h"

using namespace softgpu::driver;

namespace {

std::shared_ptr<MemoryPool> pool_of(CUmemoryPool handle) {
  return registry<MemoryPool>().get(handle, CUDA_ERROR_INVALID_VALUE);
}

Device& device_at(Driver& driver, const CUmemLocation* location, CUmemAllocationType type) {
  require(location != nullptr && type == CU_MEM_ALLOCATION_TYPE_PINNED);
  require(location->type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_NOT_SUPPORTED);
  return driver.device(location->id);
}

// The address is valid at once; only its use is ordered by the stream. When memory is short, what other work
// is about to free counts too.
CUdeviceptr allocate_from(MemoryPool& pool, size_t size) {
  require(size > 0);
  uint64_t address = pool.allocate(size);
  if (!address) {
    Driver::get().drain();
    address = pool.allocate(size);
  }
  require(address != 0, CUDA_ERROR_OUT_OF_MEMORY);
  return address;
}

// In a capture the memory is that of a node, and the pool only says where.
CUdeviceptr allocate_in(Stream& stream, MemoryPool& pool, size_t size) {
  if (!capturing(stream)) return allocate_from(pool, size);
  CUDA_MEM_ALLOC_NODE_PARAMS params = {};
  params.poolProps = pool.props;
  params.bytesize = size;
  AllocWork work = alloc_work(params);
  CUdeviceptr address = work.params.dptr;
  capture(stream, std::move(work));
  return address;
}

void free_graph_memory(Stream& stream, const std::shared_ptr<GraphBlock>& block) {
  if (capturing(stream)) {
    capture(stream, FreeWork{block});
    return;
  }
  require(block->unclaim());
  run_soon(stream, [block] { block->close(); });
}

bool freeable(const Range& range) {
  return !range.internal && (range.kind == RangeKind::pool || range.kind == RangeKind::device);
}

}  // namespace

SOFTGPU_API cuMemAllocAsync(CUdeviceptr* dptr, size_t bytesize, CUstream hStream) {
  return with_context([&](Context& context) {
    require(dptr != nullptr);
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    *dptr = allocate_in(*stream, *owner(*stream)->device.current_pool(), bytesize);
  });
}

SOFTGPU_API cuMemAllocFromPoolAsync(CUdeviceptr* dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream) {
  return with_context([&](Context& context) {
    require(dptr != nullptr);
    *dptr = allocate_in(*resolve_stream(context, hStream), *pool_of(pool), bytesize);
  });
}

SOFTGPU_API cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream) {
  return with_context([&](Context& context) {
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    if (dptr == 0) return;
    if (std::shared_ptr<GraphBlock> block = GraphBlock::at(dptr)) {
      free_graph_memory(*stream, block);
      return;
    }
    not_in_capture_of(context, *stream);
    std::optional<Range> range = AddressSpace::instance().find(dptr);
    require(range && range->begin == dptr && freeable(*range));
    run_soon(*stream, [dptr] {
      if (auto gone = AddressSpace::instance().remove(dptr, freeable)) release(*gone);
    });
  });
}

SOFTGPU_API cuMemPoolCreate(CUmemoryPool* pool, const CUmemPoolProps* poolProps) {
  return with_driver([&](Driver& driver) {
    require(pool != nullptr && poolProps != nullptr);
    Device& device = device_at(driver, &poolProps->location, poolProps->allocType);
    require(poolProps->handleTypes == CU_MEM_HANDLE_TYPE_NONE, CUDA_ERROR_NOT_SUPPORTED);
    *pool = registry<MemoryPool>().add<CUmemoryPool>(std::make_shared<MemoryPool>(device, *poolProps, false));
  });
}

// Memory still in use stays valid until it is freed.
SOFTGPU_API cuMemPoolDestroy(CUmemoryPool pool) {
  return with_driver([&](Driver&) {
    std::shared_ptr<MemoryPool> gone = pool_of(pool);
    require(!gone->is_default);
    if (gone->device.current_pool() == gone) gone->device.set_current_pool(nullptr);
    registry<MemoryPool>().remove(pool);
  });
}

// Nothing is kept, so there is nothing to trim.
SOFTGPU_API cuMemPoolTrimTo(CUmemoryPool pool, size_t) {
  return with_driver([&](Driver&) { pool_of(pool); });
}

SOFTGPU_API cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void* value) {
  return with_driver([&](Driver&) {
    std::shared_ptr<MemoryPool> target = pool_of(pool);
    require(value != nullptr);
    switch (attr) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
        target->reuse_follow_events = *static_cast<int*>(value);
        break;
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
        target->reuse_opportunistic = *static_cast<int*>(value);
        break;
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        target->reuse_internal_dependencies = *static_cast<int*>(value);
        break;
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        target->release_threshold = *static_cast<cuuint64_t*>(value);
        break;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        require(*static_cast<cuuint64_t*>(value) == 0);
        target->reset_high();
        break;
      default:
        fail(CUDA_ERROR_INVALID_VALUE);
    }
  });
}

SOFTGPU_API cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void* value) {
  return with_driver([&](Driver&) {
    std::shared_ptr<MemoryPool> source = pool_of(pool);
    require(value != nullptr);
    auto* number = static_cast<cuuint64_t*>(value);
    auto* flag = static_cast<int*>(value);
    switch (attr) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
        *flag = source->reuse_follow_events;
        break;
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
        *flag = source->reuse_opportunistic;
        break;
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        *flag = source->reuse_internal_dependencies;
        break;
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        *number = source->release_threshold;
        break;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        *number = source->used();
        break;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        *number = source->used_high();
        break;
      case CU_MEMPOOL_ATTR_MAX_POOL_SIZE:
        *number = source->props.maxSize;
        break;
      default:
        fail(CUDA_ERROR_INVALID_VALUE);
    }
  });
}

SOFTGPU_API cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc* map, size_t count) {
  return with_driver([&](Driver& driver) {
    std::shared_ptr<MemoryPool> target = pool_of(pool);
    require(map != nullptr || count == 0);
    uint32_t access = target->access;
    for (size_t i = 0; i < count; ++i) {
      require(map[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE);
      const Device& device = driver.device(map[i].location.id);
      bool open = map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE;
      require(open || device.ordinal != target->device.ordinal);  // its own device always reaches it
      access = open ? access | 1u << device.ordinal : access & ~(1u << device.ordinal);
    }
    target->set_access(access);
  });
}

SOFTGPU_API cuMemPoolGetAccess(CUmemAccess_flags* flags, CUmemoryPool memPool, CUmemLocation* location) {
  return with_driver([&](Driver& driver) {
    std::shared_ptr<MemoryPool> pool = pool_of(memPool);
    require(flags != nullptr && location != nullptr && location->type == CU_MEM_LOCATION_TYPE_DEVICE);
    bool open = pool->access >> driver.device(location->id).ordinal & 1;
    *flags = open ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
  });
}

SOFTGPU_API cuDeviceGetDefaultMemPool(CUmemoryPool* pool_out, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(pool_out != nullptr);
    *pool_out = driver.device(dev).default_pool->handle();
  });
}

SOFTGPU_API cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(pool != nullptr);
    *pool = driver.device(dev).current_pool()->handle();
  });
}

SOFTGPU_API cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool) {
  return with_driver([&](Driver& driver) {
    Device& device = driver.device(dev);
    std::shared_ptr<MemoryPool> chosen = pool_of(pool);
    require(&chosen->device == &device);
    device.set_current_pool(std::move(chosen));
  });
}

SOFTGPU_API cuMemGetDefaultMemPool(CUmemoryPool* pool_out, CUmemLocation* location,
                                   CUmemAllocationType type) {
  return with_driver([&](Driver& driver) {
    return cuDeviceGetDefaultMemPool(pool_out, device_at(driver, location, type).ordinal);
  });
}

SOFTGPU_API cuMemGetMemPool(CUmemoryPool* pool, CUmemLocation* location, CUmemAllocationType type) {
  return with_driver(
      [&](Driver& driver) { return cuDeviceGetMemPool(pool, device_at(driver, location, type).ordinal); });
}

SOFTGPU_API cuMemSetMemPool(CUmemLocation* location, CUmemAllocationType type, CUmemoryPool pool) {
  return with_driver(
      [&](Driver& driver) { return cuDeviceSetMemPool(device_at(driver, location, type).ordinal, pool); });
}
