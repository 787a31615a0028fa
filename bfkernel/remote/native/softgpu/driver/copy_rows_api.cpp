// SPDX-License-Identifier: BSD-3-Clause
// Two- and three-dimensional copies, and copies in batches.
#include <cstring>
#include <limits>

#include "array.h"
#include "copy.h"
#include "current.h"

using namespace softgpu::driver;

namespace {

// One side of a copy: where its first byte is, and how far apart rows and slices are.
struct Side {
  CUdeviceptr first = 0;
  size_t pitch = 0;
  size_t slice = 0;
  bool device = false;
  std::shared_ptr<Array> array;  // kept until the copy is done
};

struct Box {
  size_t width;  // bytes
  size_t height;
  size_t depth;
  bool empty() const { return width == 0 || height == 0 || depth == 0; }
};

constexpr size_t kMost = std::numeric_limits<size_t>::max() >> 8;

size_t times(size_t a, size_t b) {
  require(a == 0 || b <= kMost / a);
  return a * b;
}

struct Origin {
  size_t x, y, z;
};

// Arrays know how far apart their rows are, and refuse what is not a box of whole texels within them.
Side array_side(CUarray handle, Origin origin, const Box& box) {
  Side side;
  side.array = registry<Array>().get(handle);
  const softgpu::TexelLevel& level = side.array->level;
  const size_t texel = side.array->format.bytes();
  const auto within = [](size_t begin, size_t size, size_t whole) {
    return begin <= whole && size <= whole - begin;
  };
  require(origin.x % texel == 0 && box.width % texel == 0);
  require(within(origin.x, box.width, side.array->row_bytes()) &&
          within(origin.y, box.height, level.height) && within(origin.z, box.depth, level.depth));
  side.pitch = level.pitch;
  side.slice = level.slice;
  side.first =
      reinterpret_cast<CUdeviceptr>(level.data) + origin.z * side.slice + origin.y * side.pitch + origin.x;
  return side;
}

Side make_side(CUmemorytype type, const void* host, CUdeviceptr device, CUarray array, Origin origin,
               size_t pitch, size_t height, const Box& box) {
  if (type == CU_MEMORYTYPE_ARRAY) return array_side(array, origin, box);
  Side side;
  switch (type) {
    case CU_MEMORYTYPE_HOST:
      side.first = reinterpret_cast<CUdeviceptr>(host);
      break;
    case CU_MEMORYTYPE_DEVICE:
    case CU_MEMORYTYPE_UNIFIED:
      side.first = device;
      break;
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
  require(side.first != 0);
  side.device = type == CU_MEMORYTYPE_DEVICE;
  bool rows = box.height > 1 || box.depth > 1 || origin.y > 0 || origin.z > 0;
  require(!rows || pitch == 0 || pitch >= origin.x + box.width);
  side.pitch = pitch ? pitch : origin.x + box.width;
  bool slices = box.depth > 1 || origin.z > 0;
  require(!slices || height == 0 || height >= origin.y + box.height);
  side.slice = times(side.pitch, height ? height : origin.y + box.height);
  side.first += times(side.slice, origin.z) + times(side.pitch, origin.y) + origin.x;
  return side;
}

// From the first byte of the box to its last.
Extent extent_of(const Side& side, const Box& box) {
  size_t size = times(side.slice, box.depth - 1) + times(side.pitch, box.height - 1) + box.width;
  return {side.first, size, side.array != nullptr};
}

// Device memory has to be device memory, row by row; what lies between rows does not matter.
void check(const Context& context, const Side& side, const Box& box) {
  if (side.array || (!side.device && !AddressSpace::instance().find(side.first))) return;
  Extent extent = extent_of(side, box);
  if (context.memory.holds(extent.address, extent.size)) return;
  for (const auto& device : Driver::get().devices()) {
    if (device->primary->memory.holds(extent.address, extent.size)) return;
  }
  fail(CUDA_ERROR_INVALID_VALUE);
}

void move(const Side& dst, const Side& src, const Box& box) {
  for (size_t z = 0; z < box.depth; ++z) {
    for (size_t y = 0; y < box.height; ++y) {
      std::memmove(reinterpret_cast<void*>(dst.first + z * dst.slice + y * dst.pitch),
                   reinterpret_cast<const void*>(src.first + z * src.slice + y * src.pitch), box.width);
    }
  }
}

struct Plan {
  Side dst;
  Side src;
  Box box;
};

template <typename Description>
Plan plan3d(const Description& copy) {
  Box box = {copy.WidthInBytes, copy.Height, copy.Depth};
  if (box.empty()) return {{}, {}, box};
  require(copy.srcLOD == 0 && copy.dstLOD == 0);
  return {make_side(copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstArray,
                    {copy.dstXInBytes, copy.dstY, copy.dstZ}, copy.dstPitch, copy.dstHeight, box),
          make_side(copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcArray,
                    {copy.srcXInBytes, copy.srcY, copy.srcZ}, copy.srcPitch, copy.srcHeight, box),
          box};
}

Plan plan2d(const CUDA_MEMCPY2D& copy) {
  Box box = {copy.WidthInBytes, copy.Height, 1};
  if (box.empty()) return {{}, {}, box};
  return {make_side(copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstArray,
                    {copy.dstXInBytes, copy.dstY, 0}, copy.dstPitch, 0, box),
          make_side(copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcArray,
                    {copy.srcXInBytes, copy.srcY, 0}, copy.srcPitch, 0, box),
          box};
}

void run(Context& context, const Plan& plan, CUstream handle, bool wait) {
  std::shared_ptr<Stream> stream = resolve_stream(context, handle);
  if (plan.box.empty()) return;
  check(context, plan.dst, plan.box);
  check(context, plan.src, plan.box);
  auto body = [plan] { move(plan.dst, plan.src, plan.box); };
  if (wait) {
    run_and_wait(*stream, body);
  } else {
    submit_copy(*stream, {extent_of(plan.dst, plan.box), extent_of(plan.src, plan.box), body});
  }
}

template <typename Description, typename Planner>
CUresult copy(const Description* description, Planner planner, CUstream stream, bool wait) {
  return with_context([&](Context& context) {
    require(description != nullptr);
    run(context, planner(*description), stream, wait);
  });
}

// Bytes of what a batch's sizes count: texels where an array takes part, else bytes.
size_t element_bytes(const CUDA_MEMCPY3D_BATCH_OP& operation) {
  for (const CUmemcpy3DOperand* side : {&operation.dst, &operation.src}) {
    if (side->type == CU_MEMCPY_OPERAND_TYPE_ARRAY)
      return registry<Array>().get(side->op.array.array)->format.bytes();
  }
  return 1;
}

Side operand(const CUmemcpy3DOperand& operand, size_t element, const Box& box) {
  if (operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
    const CUoffset3D& offset = operand.op.array.offset;
    return array_side(operand.op.array.array, {times(offset.x, element), offset.y, offset.z}, box);
  }
  require(operand.type == CU_MEMCPY_OPERAND_TYPE_POINTER);
  const auto& pointer = operand.op.ptr;
  return make_side(CU_MEMORYTYPE_UNIFIED, nullptr, pointer.ptr, nullptr, {0, 0, 0},
                   times(pointer.rowLength, element), pointer.layerHeight, box);
}

void run_operation(Context& context, const CUDA_MEMCPY3D_BATCH_OP& operation, CUstream stream) {
  const size_t element = element_bytes(operation);
  Box box = {times(operation.extent.width, element), operation.extent.height, operation.extent.depth};
  if (box.empty()) return;
  run(context, {operand(operation.dst, element, box), operand(operation.src, element, box), box}, stream,
      false);
}

}  // namespace

SOFTGPU_API cuMemcpy2D_v2(const CUDA_MEMCPY2D* pCopy) { return copy(pCopy, plan2d, nullptr, true); }

SOFTGPU_API cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* pCopy) { return copy(pCopy, plan2d, nullptr, true); }

SOFTGPU_API cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* pCopy, CUstream hStream) {
  return copy(pCopy, plan2d, hStream, false);
}

SOFTGPU_API cuMemcpy3D_v2(const CUDA_MEMCPY3D* pCopy) {
  return copy(pCopy, plan3d<CUDA_MEMCPY3D>, nullptr, true);
}

SOFTGPU_API cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* pCopy, CUstream hStream) {
  return copy(pCopy, plan3d<CUDA_MEMCPY3D>, hStream, false);
}

SOFTGPU_API cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* pCopy) {
  return copy(pCopy, plan3d<CUDA_MEMCPY3D_PEER>, nullptr, true);
}

SOFTGPU_API cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* pCopy, CUstream hStream) {
  return copy(pCopy, plan3d<CUDA_MEMCPY3D_PEER>, hStream, false);
}

SOFTGPU_API cuMemcpyWithAttributesAsync(CUdeviceptr dst, CUdeviceptr src, size_t size, CUmemcpyAttributes*,
                                        CUstream hStream) {
  return cuMemcpyAsync(dst, src, size, hStream);
}

SOFTGPU_API cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP* op, unsigned long long flags,
                                          CUstream hStream) {
  return cuMemcpy3DBatchAsync_v2(1, op, flags, hStream);
}

SOFTGPU_API cuMemcpyBatchAsync(CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                               CUmemcpyAttributes*, size_t*, size_t, size_t* failIdx, CUstream hStream) {
  return with_context([&](Context&) {
    require(dsts != nullptr && srcs != nullptr && sizes != nullptr && count > 0);
    for (size_t i = 0; i < count; ++i) {
      CUresult result = cuMemcpyAsync(dsts[i], srcs[i], sizes[i], hStream);
      if (result == CUDA_SUCCESS) continue;
      if (failIdx) *failIdx = i;
      fail(result);
    }
  });
}

SOFTGPU_API cuMemcpyBatchAsync_v2(CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                                  CUmemcpyAttributes* attrs, size_t* attrsIdxs, size_t numAttrs,
                                  CUstream hStream) {
  return cuMemcpyBatchAsync(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, nullptr, hStream);
}

SOFTGPU_API cuMemcpy3DBatchAsync(size_t numOps, CUDA_MEMCPY3D_BATCH_OP* opList, size_t* failIdx,
                                 unsigned long long flags, CUstream hStream) {
  return with_context([&](Context& context) {
    require(opList != nullptr && numOps > 0 && flags == 0);
    for (size_t i = 0; i < numOps; ++i) {
      if (failIdx) *failIdx = i;
      run_operation(context, opList[i], hStream);
    }
  });
}

SOFTGPU_API cuMemcpy3DBatchAsync_v2(size_t numOps, CUDA_MEMCPY3D_BATCH_OP* opList, unsigned long long flags,
                                    CUstream hStream) {
  return cuMemcpy3DBatchAsync(numOps, opList, nullptr, flags, hStream);
}
