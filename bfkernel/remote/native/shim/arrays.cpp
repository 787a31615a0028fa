// SPDX-License-Identifier: BSD-3-Clause
#include "shim/arrays.h"

#include "shim/api.h"
#include "shim/contexts.h"
#include "shim/copies_box.h"
#include "shim/request.h"
#include "wire/array_messages.h"

namespace shim {
namespace {

constexpr unsigned kMostLevels = 32;  // a width of 32 bits has no more halves
constexpr unsigned kMostPlanes = 3;

// Parts are made once and looked up from then on.
std::mutex parts_mutex;

wire::ArrayDescriptor to_wire(const CUDA_ARRAY3D_DESCRIPTOR& from) {
  return {from.Width,       from.Height, from.Depth, static_cast<uint32_t>(from.Format),
          from.NumChannels, from.Flags};
}

CUDA_ARRAY3D_DESCRIPTOR from_wire(const wire::ArrayDescriptor& from) {
  return {from.width,    from.height, from.depth, static_cast<CUarray_format>(from.format),
          from.channels, from.flags};
}

void check(const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  require(descriptor.Width > 0, CUDA_ERROR_INVALID_VALUE);
  // Their pages are the program's to map, by a call that is not forwarded.
  require((descriptor.Flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING)) == 0,
          CUDA_ERROR_NOT_SUPPORTED);
  const bool known_format = wire::element_bytes(descriptor.Format, descriptor.NumChannels) > 0;
  require(known_format || wire::element_bytes(descriptor.Format, 1) == 0, CUDA_ERROR_INVALID_VALUE);
  require(known_format, CUDA_ERROR_NOT_SUPPORTED);
}

// Makes the handle, asks the worker for what it stands for.
template <class H>
H make(const CUDA_ARRAY3D_DESCRIPTOR& descriptor, uint32_t levels) {
  check(descriptor);
  H made = create<H>();
  object_of(made)->parts.clear();
  try {
    call_plain(wire::ArrayCreate{id_of(made), to_wire(descriptor), levels}, Context::current, Deferred::keep);
  } catch (const Failure&) {
    release(made);
    throw;
  }
  return made;
}

CUresult make_array(CUarray* array, const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
  require(array);
  CUarray made = make<CUarray>(descriptor, 0);
  object_of(made)->descriptor = descriptor;
  object_of(made)->part = false;
  *array = made;
  return CUDA_SUCCESS;
}

template <class Whole>
CUarray part_of(Whole* whole, bool mipmapped, unsigned index, unsigned most) {
  require(index < most, CUDA_ERROR_INVALID_VALUE);
  const std::lock_guard lock(parts_mutex);
  if (whole->parts.size() <= index) whole->parts.resize(index + 1);
  CUarray& part = whole->parts[index];
  if (part) return part;
  CUarray made = create<CUarray>();
  try {
    const auto reply =
        call(wire::ArrayPart{whole->id, mipmapped, index, id_of(made)}, Context::current, Deferred::keep);
    object_of(made)->descriptor = from_wire(reply.descriptor);
  } catch (const Failure&) {
    release(made);
    throw;
  }
  object_of(made)->part = true;
  object_of(made)->parts.clear();
  return part = made;
}

template <class H>
CUresult destroy(H array, bool mipmapped) {
  auto* object = object_of(array);
  Request request(Opcode::ArrayDestroy, Context::any);
  request.in_context(object->context);
  request.fields(wire::ArrayDestroy{object->id, mipmapped});
  request.post();
  const std::lock_guard lock(parts_mutex);
  for (CUarray part : object->parts)
    if (part) release(part);
  release(array);
  return CUDA_SUCCESS;
}

// Bytes of an array of one dimension.
copies::Side linear(CUarray array, size_t offset) {
  require(object_of(array)->descriptor.Height <= 1, CUDA_ERROR_INVALID_VALUE);
  return copies::array_side(array, offset, 0, 0);
}

copies::Side linear(uint64_t address, size_t bytes, bool device) {
  copies::Side out;
  out.device = device;
  out.address = address;
  out.pitch = out.slice_pitch = bytes;
  return out;
}

copies::Side host(const void* address, size_t bytes) {
  return linear(reinterpret_cast<uint64_t>(address), bytes, false);
}

CUresult copy(const copies::Side& to, const copies::Side& from, size_t bytes, CUstream stream,
              copies::Order order) {
  return copies::copy({to, from, bytes, 1, 1}, stream, order);
}

}  // namespace

namespace api {

using copies::Order;

CUresult cuArrayCreate_v2(CUarray* pHandle, const CUDA_ARRAY_DESCRIPTOR* pAllocateArray) {
  require(pAllocateArray);
  const CUDA_ARRAY_DESCRIPTOR& from = *pAllocateArray;
  return make_array(pHandle, {from.Width, from.Height, 0, from.Format, from.NumChannels, 0});
}

CUresult cuArray3DCreate_v2(CUarray* pHandle, const CUDA_ARRAY3D_DESCRIPTOR* pAllocateArray) {
  require(pAllocateArray);
  return make_array(pHandle, *pAllocateArray);
}

CUresult cuArrayDestroy(CUarray hArray) {
  require(!object_of(hArray)->part, CUDA_ERROR_INVALID_HANDLE);
  return destroy(hArray, false);
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR* pArrayDescriptor, CUarray hArray) {
  require(pArrayDescriptor);
  const CUDA_ARRAY3D_DESCRIPTOR& from = object_of(hArray)->descriptor;
  *pArrayDescriptor = {from.Width, from.Height, from.Format, from.NumChannels};
  return CUDA_SUCCESS;
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR* pArrayDescriptor, CUarray hArray) {
  require(pArrayDescriptor);
  *pArrayDescriptor = object_of(hArray)->descriptor;
  return CUDA_SUCCESS;
}

CUresult cuArrayGetPlane(CUarray* pPlaneArray, CUarray hArray, unsigned int planeIdx) {
  require(pPlaneArray);
  *pPlaneArray = part_of(object_of(hArray), false, planeIdx, kMostPlanes);
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray* pHandle, const CUDA_ARRAY3D_DESCRIPTOR* pMipmappedArrayDesc,
                                unsigned int numMipmapLevels) {
  require(pHandle);
  require(pMipmappedArrayDesc);
  require(numMipmapLevels > 0, CUDA_ERROR_INVALID_VALUE);
  *pHandle = make<CUmipmappedArray>(*pMipmappedArrayDesc, numMipmapLevels);
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayGetLevel(CUarray* pLevelArray, CUmipmappedArray hMipmappedArray,
                                  unsigned int level) {
  require(pLevelArray);
  *pLevelArray = part_of(object_of(hMipmappedArray), true, level, kMostLevels);
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray) { return destroy(hMipmappedArray, true); }

CUresult cuMemcpyHtoA_v2(CUarray dstArray, size_t dstOffset, const void* srcHost, size_t ByteCount) {
  return copy(linear(dstArray, dstOffset), host(srcHost, ByteCount), ByteCount, nullptr, Order::sync);
}

CUresult cuMemcpyHtoAAsync_v2(CUarray dstArray, size_t dstOffset, const void* srcHost, size_t ByteCount,
                              CUstream hStream) {
  return copy(linear(dstArray, dstOffset), host(srcHost, ByteCount), ByteCount, hStream, Order::async);
}

CUresult cuMemcpyAtoH_v2(void* dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount) {
  return copy(host(dstHost, ByteCount), linear(srcArray, srcOffset), ByteCount, nullptr, Order::sync);
}

CUresult cuMemcpyAtoHAsync_v2(void* dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount,
                              CUstream hStream) {
  return copy(host(dstHost, ByteCount), linear(srcArray, srcOffset), ByteCount, hStream, Order::async);
}

CUresult cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice, size_t ByteCount) {
  return copy(linear(dstArray, dstOffset), linear(srcDevice, ByteCount, true), ByteCount, nullptr,
              Order::sync);
}

CUresult cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset, size_t ByteCount) {
  return copy(linear(dstDevice, ByteCount, true), linear(srcArray, srcOffset), ByteCount, nullptr,
              Order::sync);
}

CUresult cuMemcpyAtoA_v2(CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset,
                         size_t ByteCount) {
  return copy(linear(dstArray, dstOffset), linear(srcArray, srcOffset), ByteCount, nullptr, Order::sync);
}

}  // namespace api
}  // namespace shim
