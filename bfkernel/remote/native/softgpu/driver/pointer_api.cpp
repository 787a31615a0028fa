// SPDX-License-Identifier: BSD-3-Clause
// What can be asked about an address.
#include "current.h"
#include "memory.h"
#include "pool.h"

using namespace softgpu::driver;

namespace {

template <typename Value>
void put(void* data, Value value) {
  *static_cast<Value*>(data) = value;
}

CUcontext context_handle(const Range& range) {
  for (const auto& context : Driver::get().contexts()) {
    if (context->id == range.context) return context->handle();
  }
  return nullptr;  // as for pools and mappings, which belong to a device
}

void get(const Range& range, CUdeviceptr address, CUpointer_attribute attribute, void* data) {
  bool host = range.is_host();
  bool everywhere = host || range.kind == RangeKind::managed;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      put(data, context_handle(range));
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      put(data, static_cast<unsigned>(host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE));
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      put(data, address);
      break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      require(everywhere);
      put(data, reinterpret_cast<void*>(address));
      break;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      put(data, 0u);
      break;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      put(data, static_cast<unsigned long long>(range.buffer_id));
      break;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      put(data, unsigned{range.kind == RangeKind::managed});
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      put(data, range.device);
      break;
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      put(data, unsigned{range.kind == RangeKind::device});
      break;
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      put(data, 0u);
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      put<CUdeviceptr>(data, range.begin);
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      put<size_t>(data, range.size());
      break;
    case CU_POINTER_ATTRIBUTE_MAPPED:
      put(data, 1u);
      break;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      put(data, static_cast<unsigned long long>(range.kind == RangeKind::mapped
                                                    ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
                                                    : CU_MEM_HANDLE_TYPE_NONE));
      break;
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      put(data, static_cast<unsigned>(range.access ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE
                                                   : CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE));
      break;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      put(data, range.pool ? range.pool->handle() : CUmemoryPool{nullptr});
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      put(data, static_cast<unsigned long long>(range.buffer_id));
      break;
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

// The bytes of an attribute's value, for the answers about addresses that CUDA does not know.
size_t size_of(CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return 4;
    default:
      return 8;
  }
}

void put_unknown(CUpointer_attribute attribute, void* data) {
  if (attribute == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) {
    put(data, -2);  // NVIDIA's driver: neither a device nor the host's registered memory
  } else if (size_of(attribute) == 4) {
    put(data, 0u);
  } else {
    put(data, 0ull);
  }
}

}  // namespace

SOFTGPU_API cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr ptr) {
  return with_driver([&](Driver&) {
    require(data != nullptr);
    std::optional<Range> range = AddressSpace::instance().find(ptr);
    require(range.has_value());
    get(*range, ptr, attribute, data);
  });
}

// Here an unknown address, or an attribute that it does not have, is no error: it reads as nothing.
SOFTGPU_API cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute* attributes, void** data,
                                   CUdeviceptr ptr) {
  return with_driver([&](Driver&) {
    require(numAttributes == 0 || (attributes != nullptr && data != nullptr));
    std::optional<Range> range = AddressSpace::instance().find(ptr);
    for (unsigned i = 0; i < numAttributes; ++i) {
      require(data[i] != nullptr && attributes[i] >= CU_POINTER_ATTRIBUTE_CONTEXT);
      CUresult result =
          range ? guarded([&] { get(*range, ptr, attributes[i], data[i]); }) : CUDA_ERROR_NOT_FOUND;
      if (result != CUDA_SUCCESS) put_unknown(attributes[i], data[i]);
    }
  });
}

SOFTGPU_API cuPointerSetAttribute(const void* value, CUpointer_attribute attribute, CUdeviceptr ptr) {
  return with_context([&](Context&) {
    require(value != nullptr && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS);
    require(AddressSpace::instance().find(ptr).has_value());
  });
}
