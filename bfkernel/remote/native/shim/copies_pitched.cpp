// SPDX-License-Identifier: BSD-3-Clause
// Copies in two and three dimensions: rows of memory with gaps between them. The host's side travels packed.
#include <algorithm>
#include <cstring>

#include "shim/api.h"
#include "shim/copies.h"
#include "shim/memory.h"
#include "shim/request.h"

namespace shim::copies {
namespace {

struct Side {
  bool device = false;
  uint64_t address = 0;  // of the first byte that is copied
  uint64_t pitch = 0;
  uint64_t slice_pitch = 0;

  uint64_t at(uint64_t row, uint64_t slice) const { return address + row * pitch + slice * slice_pitch; }
  wire::Pitched wire(uint64_t row, uint64_t slice) const { return {at(row, slice), pitch, slice_pitch}; }
};

struct Box {
  Side destination;
  Side source;
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t depth = 0;
};

// A part of the box that fits a frame: whole slices, else whole rows of one slice.
struct Part {
  uint64_t row;
  uint64_t rows;
  uint64_t slice;
  uint64_t slices;
};

template <class Action>
void for_each_part(const Box& box, Action&& action) {
  const uint64_t slice_bytes = wire::rows(box.width, box.height);
  const uint64_t slices = slice_bytes <= wire::kCopyChunk ? wire::kCopyChunk / slice_bytes : 1;
  const uint64_t rows =
      slice_bytes <= wire::kCopyChunk ? box.height : std::max<uint64_t>(wire::kCopyChunk / box.width, 1);
  for (uint64_t slice = 0; slice < box.depth; slice += slices)
    for (uint64_t row = 0; row < box.height; row += rows)
      action(Part{row, std::min(rows, box.height - row), slice, std::min(slices, box.depth - slice)});
}

wire::Copy3D message(const Box& box, const Part& part, wire::Direction direction, uint64_t stream,
                     Order order) {
  wire::Copy3D out;
  out.direction = direction;
  out.sync = static_cast<uint8_t>(order);
  out.stream = stream;
  out.width_bytes = box.width;
  out.height = part.rows;
  out.depth = part.slices;
  if (box.destination.device) out.destination = box.destination.wire(part.row, part.slice);
  if (box.source.device) out.source = box.source.wire(part.row, part.slice);
  return out;
}

// Between the host's rows and packed bytes.
template <class Copy>
void for_each_row(const Box& box, const Part& part, const Side& host, std::byte* packed, Copy&& copy) {
  for (uint64_t slice = 0; slice < part.slices; ++slice)
    for (uint64_t row = 0; row < part.rows; ++row, packed += box.width)
      copy(reinterpret_cast<std::byte*>(host.at(part.row + row, part.slice + slice)), packed);
}

void send_part(const Box& box, const Part& part, uint64_t stream, Order order) {
  std::vector<std::byte> packed(box.width * part.rows * part.slices);
  for_each_row(box, part, box.source, packed.data(),
               [&](std::byte* row, std::byte* at) { std::memcpy(at, row, box.width); });
  wire::Copy3D out = message(box, part, wire::Direction::to_device, stream, order);
  out.bytes = packed;
  post(out, Context::current);
}

void fetch_part(const Box& box, const Part& part, uint64_t stream, Order order) {
  Request request(Opcode::Copy3D, Context::current);
  request.fields(message(box, part, wire::Direction::to_host, stream, order));
  const Reply reply = request.wait();
  const wire::Bytes bytes = reply.bytes();
  require(bytes.size() == box.width * part.rows * part.slices, CUDA_ERROR_UNKNOWN);
  for_each_row(box, part, box.destination, const_cast<std::byte*>(bytes.data()),
               [&](std::byte* row, std::byte* at) { std::memcpy(row, at, box.width); });
}

void check(const Side& side, const Box& box) {
  require(side.address != 0, CUDA_ERROR_INVALID_VALUE);
  require(box.height <= 1 || side.pitch >= box.width, CUDA_ERROR_INVALID_VALUE);
  if (!side.device) return;
  uint64_t bytes = 0;
  const bool overflow = __builtin_add_overflow(wire::rows(side.slice_pitch, box.depth - 1),
                                               wire::pitched(side.pitch, 1, box.width, box.height), &bytes);
  require(!overflow, CUDA_ERROR_INVALID_VALUE);
  memory::require_device(side.address, bytes);
}

CUresult copy(const Box& box, CUstream stream, Order order) {
  if (box.width == 0 || box.height == 0 || box.depth == 0) return CUDA_SUCCESS;
  check(box.destination, box);
  check(box.source, box);
  const uint64_t stream_id = id_of(stream);
  if (!box.destination.device && !box.source.device) {
    api::cuStreamSynchronize(stream);
    for (uint64_t slice = 0; slice < box.depth; ++slice)
      for (uint64_t row = 0; row < box.height; ++row)
        std::memmove(reinterpret_cast<void*>(box.destination.at(row, slice)),
                     reinterpret_cast<void*>(box.source.at(row, slice)), box.width);
    return CUDA_SUCCESS;
  }
  if (box.destination.device && box.source.device) {
    post(message(box, {0, box.height, 0, box.depth}, wire::Direction::on_device, stream_id, order),
         Context::current);
    return CUDA_SUCCESS;
  }
  for_each_part(box, [&](const Part& part) {
    if (box.destination.device)
      send_part(box, part, stream_id, order);
    else
      fetch_part(box, part, stream_id, order);
  });
  return CUDA_SUCCESS;
}

// The parameters of CUDA's structures, which are alike but for their names.
struct Origin {
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  size_t x, y, z, pitch, height;
};

Side side(const Origin& from) {
  require(from.type != CU_MEMORYTYPE_ARRAY, CUDA_ERROR_NOT_SUPPORTED);
  Side out;
  const uint64_t base = from.type == CU_MEMORYTYPE_HOST ? reinterpret_cast<uint64_t>(from.host) : from.device;
  out.device = memory::is_device(base);
  require(from.type != CU_MEMORYTYPE_DEVICE || out.device, CUDA_ERROR_INVALID_VALUE);
  out.pitch = from.pitch;
  out.slice_pitch = wire::rows(from.pitch, from.height);
  out.address = base + from.x + from.y * out.pitch + from.z * out.slice_pitch;
  return out;
}

CUresult copy_2d(const CUDA_MEMCPY2D* p, CUstream stream, Order order) {
  require(p);
  const size_t width = p->WidthInBytes;
  Box box{side({p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, p->dstXInBytes, p->dstY, 0,
                p->dstPitch ? p->dstPitch : width, 0}),
          side({p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, p->srcXInBytes, p->srcY, 0,
                p->srcPitch ? p->srcPitch : width, 0}),
          width, p->Height, 1};
  return copy(box, stream, order);
}

template <class Params>
CUresult copy_3d(const Params* p, CUstream stream, Order order) {
  require(p);
  require(p->srcLOD == 0 && p->dstLOD == 0, CUDA_ERROR_INVALID_VALUE);
  const size_t width = p->WidthInBytes;
  const size_t height = p->Height;
  Box box{side({p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, p->dstXInBytes, p->dstY, p->dstZ,
                p->dstPitch ? p->dstPitch : width, p->dstHeight ? p->dstHeight : height}),
          side({p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, p->srcXInBytes, p->srcY, p->srcZ,
                p->srcPitch ? p->srcPitch : width, p->srcHeight ? p->srcHeight : height}),
          width, height, p->Depth};
  return copy(box, stream, order);
}

// Where a batch's copy goes to or comes from. Elements are bytes where no array says otherwise.
Side side(const CUmemcpy3DOperand& operand, const CUextent3D& extent) {
  require(operand.type == CU_MEMCPY_OPERAND_TYPE_POINTER, CUDA_ERROR_NOT_SUPPORTED);
  const auto& at = operand.op.ptr;
  require(at.rowLength == 0 || at.rowLength >= extent.width, CUDA_ERROR_INVALID_VALUE);
  require(at.layerHeight == 0 || at.layerHeight >= extent.height, CUDA_ERROR_INVALID_VALUE);
  Side out;
  out.device = memory::is_device(at.ptr);
  out.address = at.ptr;
  out.pitch = at.rowLength ? at.rowLength : extent.width;
  out.slice_pitch = wire::rows(out.pitch, at.layerHeight ? at.layerHeight : extent.height);
  return out;
}

}  // namespace

void copy_operation(const CUDA_MEMCPY3D_BATCH_OP& operation, CUstream stream) {
  const CUextent3D& extent = operation.extent;
  require(extent.width > 0 && extent.height > 0 && extent.depth > 0, CUDA_ERROR_INVALID_VALUE);
  const Box box{side(operation.dst, extent), side(operation.src, extent), extent.width, extent.height,
                extent.depth};
  copy(box, stream, Order::async);
}

}  // namespace shim::copies

namespace shim::api {

using copies::copy_2d;
using copies::copy_3d;
using copies::Order;

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* pCopy) { return copy_2d(pCopy, nullptr, Order::sync); }
CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* pCopy) { return copy_2d(pCopy, nullptr, Order::sync); }
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* pCopy, CUstream hStream) {
  return copy_2d(pCopy, hStream, Order::async);
}
CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D* pCopy) { return copy_3d(pCopy, nullptr, Order::sync); }
CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* pCopy, CUstream hStream) {
  return copy_3d(pCopy, hStream, Order::async);
}
CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* pCopy) { return copy_3d(pCopy, nullptr, Order::sync); }
CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* pCopy, CUstream hStream) {
  return copy_3d(pCopy, hStream, Order::async);
}

}  // namespace shim::api
