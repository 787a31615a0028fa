// SPDX-License-Identifier: BSD-3-Clause
// Copies in two and three dimensions: rows of memory with gaps between them. The host's side travels packed.
#include <algorithm>
#include <cstring>

#include "shim/api.h"
#include "shim/arrays.h"
#include "shim/capture.h"
#include "shim/copies_box.h"
#include "shim/memory.h"
#include "shim/request.h"
#include "wire/memory_messages.h"

namespace shim::copies {
namespace {

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
  box.destination.write(part.row, part.slice, &out.destination, &out.destination_array);
  box.source.write(part.row, part.slice, &out.source, &out.source_array);
  return out;
}

// Between the host's rows and packed bytes.
template <class Copy>
void for_each_row(const Box& box, const Part& part, const Side& host, std::byte* packed, Copy&& copy) {
  for (uint64_t slice = 0; slice < part.slices; ++slice)
    for (uint64_t row = 0; row < part.rows; ++row, packed += box.width)
      copy(reinterpret_cast<std::byte*>(host.at(part.row + row, part.slice + slice)), packed);
}

void send_part(const Box& box, const Part& part, CUstream stream, Order order) {
  std::vector<std::byte> packed(box.width * part.rows * part.slices);
  for_each_row(box, part, box.source, packed.data(),
               [&](std::byte* row, std::byte* at) { std::memcpy(at, row, box.width); });
  wire::Copy3D out = message(box, part, wire::Direction::to_device, id_of(stream), order);
  out.bytes = packed;
  post(out, Context::current);
}

void fetch_part(const Box& box, const Part& part, CUstream stream, Order order) {
  Request request(Opcode::Copy3D, Context::current);
  request.in_context(context_of(stream));
  request.fields(message(box, part, wire::Direction::to_host, id_of(stream), order));
  const Reply reply = request.wait();
  const wire::Bytes bytes = reply.bytes();
  require(bytes.size() == box.width * part.rows * part.slices, CUDA_ERROR_UNKNOWN);
  for_each_row(box, part, box.destination, const_cast<std::byte*>(bytes.data()),
               [&](std::byte* row, std::byte* at) { std::memcpy(row, at, box.width); });
}

bool fits(uint64_t begin, uint64_t size, uint64_t room) { return begin <= room && size <= room - begin; }

void check_array(const Side& side, const Box& box) {
  const ArrayObject& array = *side.array;
  const bool inside = fits(side.x, box.width, array.row_bytes()) &&
                      fits(side.y, box.height, std::max<size_t>(array.descriptor.Height, 1)) &&
                      fits(side.z, box.depth, std::max<size_t>(array.descriptor.Depth, 1));
  require(inside, CUDA_ERROR_INVALID_VALUE);
}

void check(const Side& side, const Box& box) {
  if (side.array) return check_array(side, box);
  require(side.address != 0, CUDA_ERROR_INVALID_VALUE);
  require(box.height <= 1 || side.pitch >= box.width, CUDA_ERROR_INVALID_VALUE);
  if (!side.device) return;
  uint64_t bytes = 0;
  const bool overflow = __builtin_add_overflow(wire::rows(side.slice_pitch, box.depth - 1),
                                               wire::pitched(side.pitch, 1, box.width, box.height), &bytes);
  require(!overflow, CUDA_ERROR_INVALID_VALUE);
  memory::require_device(side.address, bytes);
}

}  // namespace

void Side::write(uint64_t row, uint64_t slice, wire::Pitched* memory, wire::ArrayPlace* place) const {
  if (array)
    *place = {array->id, x, y + row, z + slice};
  else if (device)
    *memory = {at(row, slice), pitch, slice_pitch};
}

Side array_side(CUarray array, uint64_t x_bytes, uint64_t y, uint64_t z) {
  Side out;
  out.device = true;
  out.array = object_of(array);
  out.x = x_bytes, out.y = y, out.z = z;
  return out;
}

void check(const Box& box) {
  check(box.destination, box);
  check(box.source, box);
}

CUresult copy(const Box& box, CUstream stream, Order order) {
  if (box.width == 0 || box.height == 0 || box.depth == 0) return CUDA_SUCCESS;
  check(box);
  if (capture::in_flight() && capture::copy(box, stream, order)) [[unlikely]]
    return CUDA_SUCCESS;
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
      send_part(box, part, stream, order);
    else
      fetch_part(box, part, stream, order);
  });
  if (box.destination.device) wait_where_apart(stream, order);
  return CUDA_SUCCESS;
}

namespace {

// The parameters of CUDA's structures, which are alike but for their names.
struct Origin {
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  size_t x, y, z, pitch, height;
};

Side side(const Origin& from) {
  if (from.type == CU_MEMORYTYPE_ARRAY) return array_side(from.array, from.x, from.y, from.z);
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
Box box_of_3d(const Params* p) {
  require(p);
  require(p->srcLOD == 0 && p->dstLOD == 0, CUDA_ERROR_INVALID_VALUE);
  const size_t width = p->WidthInBytes;
  const size_t height = p->Height;
  return {side({p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, p->dstXInBytes, p->dstY, p->dstZ,
                p->dstPitch ? p->dstPitch : width, p->dstHeight ? p->dstHeight : height}),
          side({p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, p->srcXInBytes, p->srcY, p->srcZ,
                p->srcPitch ? p->srcPitch : width, p->srcHeight ? p->srcHeight : height}),
          width, height, p->Depth};
}

template <class Params>
CUresult copy_3d(const Params* p, CUstream stream, Order order) {
  return copy(box_of_3d(p), stream, order);
}

}  // namespace

Box box_of(const CUDA_MEMCPY3D& copy) { return box_of_3d(&copy); }

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
