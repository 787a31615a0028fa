// SPDX-License-Identifier: BSD-3-Clause
// Two- and three-dimensional copies, and copies in batches.
#include <cstring>
#include <limits>

#include "array.h"
#include "capture.h"
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
void check(const Context& context, const Side& side, const Box& box, When when) {
  if (side.array || (!side.device && !AddressSpace::instance().find(side.first))) return;
  Extent extent = extent_of(side, box);
  require(holds(context, extent.address, extent.size, when));
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

Plan make_plan(const CUDA_MEMCPY3D& copy) {
  Box box = {copy.WidthInBytes, copy.Height, copy.Depth};
  if (box.empty()) return {{}, {}, box};
  require(copy.srcLOD == 0 && copy.dstLOD == 0);
  return {make_side(copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstArray,
                    {copy.dstXInBytes, copy.dstY, copy.dstZ}, copy.dstPitch, copy.dstHeight, box),
          make_side(copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcArray,
                    {copy.srcXInBytes, copy.srcY, copy.srcZ}, copy.srcPitch, copy.srcHeight, box),
          box};
}

Plan checked_plan(const Context& context, const CUDA_MEMCPY3D& copy, When when) {
  Plan plan = make_plan(copy);
  if (plan.box.empty()) return plan;
  check(context, plan.dst, plan.box, when);
  check(context, plan.src, plan.box, when);
  return plan;
}

const CUDA_MEMCPY3D& in_space(const CUDA_MEMCPY3D& copy) { return copy; }

// A two-dimensional copy, or one between contexts, as a copy in space.
template <typename Description>
CUDA_MEMCPY3D common_part(const Description& from) {
  CUDA_MEMCPY3D copy = {};
  copy.srcXInBytes = from.srcXInBytes;
  copy.srcY = from.srcY;
  copy.srcMemoryType = from.srcMemoryType;
  copy.srcHost = from.srcHost;
  copy.srcDevice = from.srcDevice;
  copy.srcArray = from.srcArray;
  copy.srcPitch = from.srcPitch;
  copy.dstXInBytes = from.dstXInBytes;
  copy.dstY = from.dstY;
  copy.dstMemoryType = from.dstMemoryType;
  copy.dstHost = from.dstHost;
  copy.dstDevice = from.dstDevice;
  copy.dstArray = from.dstArray;
  copy.dstPitch = from.dstPitch;
  copy.WidthInBytes = from.WidthInBytes;
  copy.Height = from.Height;
  copy.Depth = 1;
  return copy;
}

CUDA_MEMCPY3D in_space(const CUDA_MEMCPY2D& copy) { return common_part(copy); }

CUDA_MEMCPY3D in_space(const CUDA_MEMCPY3D_PEER& from) {
  CUDA_MEMCPY3D copy = common_part(from);
  copy.srcZ = from.srcZ;
  copy.srcHeight = from.srcHeight;
  copy.dstZ = from.dstZ;
  copy.dstHeight = from.dstHeight;
  copy.Depth = from.Depth;
  return copy;
}

void run(Context& context, const CUDA_MEMCPY3D& copy, CUstream handle, bool wait) {
  std::shared_ptr<Stream> stream = resolve_stream(context, handle);
  if (wait) not_in_unsafe_capture();
  if (!wait && capturing(*stream)) {
    checked_plan(context, copy, When::later);
    capture(*stream, CopyWork{owner(*stream), copy});
    return;
  }
  Plan plan = checked_plan(context, copy, When::now);
  if (plan.box.empty()) return;
  auto body = [plan] { move(plan.dst, plan.src, plan.box); };
  if (wait) {
    run_and_wait(*stream, body);
  } else {
    submit_copy(*stream, {extent_of(plan.dst, plan.box), extent_of(plan.src, plan.box), body});
  }
}

template <typename Description>
CUresult copy(const Description* description, CUstream stream, bool wait) {
  return with_context([&](Context& context) {
    require(description != nullptr);
    run(context, in_space(*description), stream, wait);
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

// One end of a batch's operation, as the fields of a copy in space.
struct Operand {
  CUmemorytype type = CU_MEMORYTYPE_UNIFIED;
  CUdeviceptr address = 0;
  CUarray array = nullptr;
  Origin origin = {0, 0, 0};
  size_t pitch = 0;
  size_t height = 0;
};

Operand operand(const CUmemcpy3DOperand& from, size_t element) {
  Operand result;
  if (from.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
    const CUoffset3D& offset = from.op.array.offset;
    result.type = CU_MEMORYTYPE_ARRAY;
    result.array = from.op.array.array;
    result.origin = {times(offset.x, element), offset.y, offset.z};
    return result;
  }
  require(from.type == CU_MEMCPY_OPERAND_TYPE_POINTER);
  result.address = from.op.ptr.ptr;
  result.pitch = times(from.op.ptr.rowLength, element);
  result.height = from.op.ptr.layerHeight;
  return result;
}

void run_operation(Context& context, const CUDA_MEMCPY3D_BATCH_OP& operation, CUstream stream) {
  const size_t element = element_bytes(operation);
  Operand src = operand(operation.src, element);
  Operand dst = operand(operation.dst, element);
  CUDA_MEMCPY3D copy = {};
  copy.srcMemoryType = src.type;
  copy.srcDevice = src.address;
  copy.srcArray = src.array;
  copy.srcXInBytes = src.origin.x;
  copy.srcY = src.origin.y;
  copy.srcZ = src.origin.z;
  copy.srcPitch = src.pitch;
  copy.srcHeight = src.height;
  copy.dstMemoryType = dst.type;
  copy.dstDevice = dst.address;
  copy.dstArray = dst.array;
  copy.dstXInBytes = dst.origin.x;
  copy.dstY = dst.origin.y;
  copy.dstZ = dst.origin.z;
  copy.dstPitch = dst.pitch;
  copy.dstHeight = dst.height;
  copy.WidthInBytes = times(operation.extent.width, element);
  copy.Height = operation.extent.height;
  copy.Depth = operation.extent.depth;
  run(context, copy, stream, false);
}

}  // namespace

std::function<void()> softgpu::driver::plan_copy(const Context& context, const CUDA_MEMCPY3D& copy,
                                                 When when) {
  Plan plan = checked_plan(context, copy, when);
  return [plan] {
    if (!plan.box.empty()) move(plan.dst, plan.src, plan.box);
  };
}

SOFTGPU_API cuMemcpy2D_v2(const CUDA_MEMCPY2D* pCopy) { return copy(pCopy, nullptr, true); }

SOFTGPU_API cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* pCopy) { return copy(pCopy, nullptr, true); }

SOFTGPU_API cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* pCopy, CUstream hStream) {
  return copy(pCopy, hStream, false);
}

SOFTGPU_API cuMemcpy3D_v2(const CUDA_MEMCPY3D* pCopy) { return copy(pCopy, nullptr, true); }

SOFTGPU_API cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* pCopy, CUstream hStream) {
  return copy(pCopy, hStream, false);
}

SOFTGPU_API cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* pCopy) { return copy(pCopy, nullptr, true); }

SOFTGPU_API cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* pCopy, CUstream hStream) {
  return copy(pCopy, hStream, false);
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
