// SPDX-License-Identifier: BSD-3-Clause
// cuPointerGetAttribute and its relatives, answered from the tables of device and of pinned host memory.
#include <cstring>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/host_memory.h"
#include "shim/memory.h"
#include "shim/mirrors.h"
#include "shim/request.h"

namespace shim {
namespace {

template <class T>
void store_value(void* data, T value) {
  std::memcpy(data, &value, sizeof value);
}

// What both kinds of memory answer alike. False: ask further.
bool common_attribute(void* data, CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
      store_value<int>(data, 0);
      return true;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      store_value<uint64_t>(data, 0);
      return true;
    case CU_POINTER_ATTRIBUTE_MAPPED:
      store_value<int>(data, 1);
      return true;
    default:
      return false;
  }
}

CUresult device_attribute(void* data, CUpointer_attribute attribute, uint64_t pointer,
                          const memory::Allocation& in) {
  const bool is_managed = memory::is_managed(in);
  const bool mapped = in.origin == memory::Origin::host;
  const bool on_both_sides = is_managed || (mapped && host_memory::find(pointer));
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      store_value<unsigned>(data, is_managed);
      break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      require(on_both_sides, CUDA_ERROR_INVALID_VALUE);
      store_value(data, pointer);
      break;
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      store_value(data, in.origin == memory::Origin::plain || is_managed || mapped ? in.context : nullptr);
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      store_value<unsigned>(data, mapped ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      store_value(data, pointer);
      break;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      store_value<int>(data, in.sync_memops);
      break;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      store_value(data, in.buffer_id);
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      store_value(data, in.buffer_id);
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      store_value<int>(data, devices::visible_ordinal(in.device));
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      store_value(data, in.address);
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      store_value<size_t>(data, in.size);
      break;
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      store_value<int>(data, CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE);
      break;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      store_value(data, in.pool);
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;  // P2P_TOKENS: device memory has none
  }
  return CUDA_SUCCESS;
}

CUresult host_attribute(void* data, CUpointer_attribute attribute, uint64_t pointer,
                        const host_memory::Block& in) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      store_value<unsigned>(data, 0);
      break;
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      store_value(data, in.context);
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      store_value<unsigned>(data, CU_MEMORYTYPE_HOST);
      break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      store_value(data, pointer);
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: {
      const uint64_t device = mirrors::find(in.address);
      require(device != 0, CUDA_ERROR_INVALID_VALUE);
      store_value(data, device + (pointer - in.address));
      break;
    }
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      store_value<int>(data, 0);
      break;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      store_value(data, in.buffer_id);
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      store_value<int>(data, in.context->visible_device);
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      store_value(data, in.address);
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      store_value<size_t>(data, in.size);
      break;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      store_value<void*>(data, nullptr);
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

// What cuPointerGetAttributes writes where an attribute does not apply.
void store_nothing(void* data, CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      store_value<int>(data, CU_DEVICE_INVALID);
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      store_value<int>(data, 0);
      break;
    case CU_POINTER_ATTRIBUTE_P2P_TOKENS:
      break;
    default:
      store_value<uint64_t>(data, 0);
  }
}

CUresult one(void* data, CUpointer_attribute attribute, uint64_t pointer) {
  require(
      attribute >= CU_POINTER_ATTRIBUTE_CONTEXT && attribute <= CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE,
      CUDA_ERROR_INVALID_VALUE);
  const auto allocation = memory::find(pointer);
  const auto block = allocation ? std::nullopt : host_memory::find(pointer);
  require(allocation || block, CUDA_ERROR_INVALID_VALUE);
  if (common_attribute(data, attribute)) return CUDA_SUCCESS;
  return allocation ? device_attribute(data, attribute, pointer, *allocation)
                    : host_attribute(data, attribute, pointer, *block);
}

}  // namespace

namespace api {

CUresult cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr ptr) {
  require(data);
  contexts::current();
  return one(data, attribute, ptr);
}

CUresult cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute* attributes, void** data,
                                CUdeviceptr ptr) {
  require(numAttributes > 0, CUDA_ERROR_INVALID_VALUE);
  require(attributes);
  require(data);
  for (unsigned i = 0; i < numAttributes; ++i) {
    try {
      if (one(data[i], attributes[i], ptr) == CUDA_SUCCESS) continue;
    } catch (const Failure&) {
      // A host pointer that was never pinned is no error here.
    }
    store_nothing(data[i], attributes[i]);
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerSetAttribute(const void* value, CUpointer_attribute attribute, CUdeviceptr ptr) {
  require(value);
  require(attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, CUDA_ERROR_INVALID_VALUE);
  require(memory::find(ptr).has_value(), CUDA_ERROR_INVALID_VALUE);
  int on = 0;
  std::memcpy(&on, value, sizeof on);
  memory::set_sync_memops(ptr, on != 0);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
