// SPDX-License-Identifier: BSD-3-Clause
// Batches of copies: each is made by itself. The host's memory has been read when the call returns, so every
// order in which a batch may ask for its sources to be read is kept.
#include <algorithm>

#include "shim/api.h"
#include "shim/arrays.h"
#include "shim/copies_box.h"
#include "shim/memory.h"
#include "shim/request.h"

namespace shim::copies {
namespace {

void check_order(CUmemcpySrcAccessOrder order) {
  require(order >= CU_MEMCPY_SRC_ACCESS_ORDER_STREAM && order <= CU_MEMCPY_SRC_ACCESS_ORDER_ANY,
          CUDA_ERROR_INVALID_VALUE);
}

void check_stream(CUstream stream) { require(id_of(stream) > wire::kLegacyStream, CUDA_ERROR_INVALID_VALUE); }

// Each entry of `attrs` begins at a copy of its own, the first at the first.
void check_attributes(const CUmemcpyAttributes* attrs, const size_t* indices, size_t number, size_t copies) {
  require(attrs);
  require(indices);
  require(number > 0 && number <= copies && indices[0] == 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < number; ++i) {
    check_order(attrs[i].srcAccessOrder);
    require(indices[i] < copies && (i == 0 || indices[i] > indices[i - 1]), CUDA_ERROR_INVALID_VALUE);
  }
}

uint64_t element_size(const CUmemcpy3DOperand& operand) {
  require(operand.type == CU_MEMCPY_OPERAND_TYPE_POINTER || operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY,
          CUDA_ERROR_INVALID_VALUE);
  return operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY ? object_of(operand.op.array.array)->element_bytes()
                                                      : 0;
}

Side side(const CUmemcpy3DOperand& operand, const CUextent3D& extent, uint64_t element) {
  if (operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
    const CUoffset3D& offset = operand.op.array.offset;
    return array_side(operand.op.array.array, wire::rows(offset.x, element), offset.y, offset.z);
  }
  const auto& at = operand.op.ptr;
  require(at.rowLength == 0 || at.rowLength >= extent.width, CUDA_ERROR_INVALID_VALUE);
  require(at.layerHeight == 0 || at.layerHeight >= extent.height, CUDA_ERROR_INVALID_VALUE);
  Side out;
  out.device = memory::is_device(at.ptr);
  out.address = at.ptr;
  out.pitch = wire::rows(at.rowLength ? at.rowLength : extent.width, element);
  out.slice_pitch = wire::rows(out.pitch, at.layerHeight ? at.layerHeight : extent.height);
  return out;
}

// Elements are those of the array that takes part, else bytes.
void copy_operation(const CUDA_MEMCPY3D_BATCH_OP& operation, CUstream stream) {
  const CUextent3D& extent = operation.extent;
  require(extent.width > 0 && extent.height > 0 && extent.depth > 0, CUDA_ERROR_INVALID_VALUE);
  const uint64_t to = element_size(operation.dst);
  const uint64_t from = element_size(operation.src);
  require(to == 0 || from == 0 || to == from, CUDA_ERROR_INVALID_VALUE);
  const uint64_t element = std::max<uint64_t>({to, from, 1});
  copy({side(operation.dst, extent, element), side(operation.src, extent, element),
        wire::rows(extent.width, element), extent.height, extent.depth},
       stream, Order::async);
}

// Runs copy by copy; `failed` learns which one did not work.
template <class Copy>
CUresult one_by_one(size_t count, size_t* failed, Copy&& copy) {
  if (failed) *failed = SIZE_MAX;
  for (size_t i = 0; i < count; ++i) {
    try {
      copy(i);
    } catch (const Failure&) {
      if (failed) *failed = i;
      throw;
    }
  }
  return CUDA_SUCCESS;
}

CUresult batch(const CUdeviceptr* dsts, const CUdeviceptr* srcs, const size_t* sizes, size_t count,
               const CUmemcpyAttributes* attrs, const size_t* indices, size_t number, size_t* failed,
               CUstream stream) {
  if (failed) *failed = SIZE_MAX;
  require(dsts);
  require(srcs);
  require(sizes);
  check_stream(stream);
  check_attributes(attrs, indices, number, count);
  return one_by_one(count, failed,
                    [&](size_t i) { unified(dsts[i], srcs[i], sizes[i], stream, Order::async); });
}

CUresult batch_3d(const CUDA_MEMCPY3D_BATCH_OP* operations, size_t count, size_t* failed,
                  unsigned long long flags, CUstream stream) {
  if (failed) *failed = SIZE_MAX;
  require(operations);
  require(flags == 0 && count > 0, CUDA_ERROR_INVALID_VALUE);
  check_stream(stream);
  return one_by_one(count, failed, [&](size_t i) {
    check_order(operations[i].srcAccessOrder);
    copy_operation(operations[i], stream);
  });
}

}  // namespace
}  // namespace shim::copies

namespace shim::api {

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                               CUmemcpyAttributes* attrs, size_t* attrsIdxs, size_t numAttrs,
                               CUstream hStream) {
  return copies::batch(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, nullptr, hStream);
}

CUresult cuMemcpyBatchAsync(CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                            CUmemcpyAttributes* attrs, size_t* attrsIdxs, size_t numAttrs, size_t* failIdx,
                            CUstream hStream) {
  return copies::batch(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, failIdx, hStream);
}

CUresult cuMemcpy3DBatchAsync_v2(size_t numOps, CUDA_MEMCPY3D_BATCH_OP* opList, unsigned long long flags,
                                 CUstream hStream) {
  return copies::batch_3d(opList, numOps, nullptr, flags, hStream);
}

CUresult cuMemcpy3DBatchAsync(size_t numOps, CUDA_MEMCPY3D_BATCH_OP* opList, size_t* failIdx,
                              unsigned long long flags, CUstream hStream) {
  return copies::batch_3d(opList, numOps, failIdx, flags, hStream);
}

CUresult cuMemcpyWithAttributesAsync(CUdeviceptr dst, CUdeviceptr src, size_t size, CUmemcpyAttributes* attr,
                                     CUstream hStream) {
  require(attr);
  copies::check_order(attr->srcAccessOrder);
  copies::unified(dst, src, size, hStream, copies::Order::async);
  return CUDA_SUCCESS;
}

CUresult cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP* op, unsigned long long flags,
                                       CUstream hStream) {
  return copies::batch_3d(op, 1, nullptr, flags, hStream);
}

}  // namespace shim::api
