// SPDX-License-Identifier: BSD-3-Clause
// Copies that take an array as one run of bytes: one-dimensional arrays, or the first row of others.
#include <cstring>

#include "array.h"
#include "capture.h"
#include "copy.h"
#include "current.h"
#include "memory.h"

using namespace softgpu::driver;

namespace {

// One end of a copy, and what keeps it while the copy waits for its turn.
struct End {
  Extent extent;
  std::shared_ptr<Array> array;
};

End in_array(CUarray handle, size_t offset, size_t size) {
  auto array = registry<Array>().get(handle);
  require(offset <= array->row_bytes() && size <= array->row_bytes() - offset);
  return {{reinterpret_cast<CUdeviceptr>(array->level.data) + offset, size, true}, array};
}

End on_host(const void* address, size_t size) {
  require(address != nullptr || size == 0);
  return {{reinterpret_cast<CUdeviceptr>(address), size}, nullptr};
}

End on_device(const Context& context, CUdeviceptr address, size_t size) {
  require_reachable(context, address, size);
  return {{address, size}, nullptr};
}

void copy(Context& context, const End& dst, const End& src, CUstream handle, bool wait) {
  std::shared_ptr<Stream> stream = resolve_stream(context, handle);
  if (dst.extent.size == 0) return;
  auto run = [dst, src] {
    std::memmove(reinterpret_cast<void*>(dst.extent.address),
                 reinterpret_cast<const void*>(src.extent.address), dst.extent.size);
  };
  if (wait) {
    run_and_wait(*stream, run);
  } else {
    submit_copy(*stream, {dst.extent, src.extent, run});
  }
}

CUDA_MEMCPY3D row_of(size_t size) {
  CUDA_MEMCPY3D copied = {};
  copied.WidthInBytes = size;
  copied.Height = copied.Depth = 1;
  return copied;
}

// In a capture the copy becomes a node.
bool captured(Context& context, CUstream handle, const CUDA_MEMCPY3D& copied) {
  std::shared_ptr<Stream> stream = resolve_stream(context, handle);
  if (!capturing(*stream)) return false;
  plan_copy(context, copied, When::later);
  capture(*stream, CopyWork{owner(*stream), copied});
  return true;
}

}  // namespace

SOFTGPU_API cuMemcpyHtoA_v2(CUarray dstArray, size_t dstOffset, const void* srcHost, size_t ByteCount) {
  return with_context([&](Context& context) {
    copy(context, in_array(dstArray, dstOffset, ByteCount), on_host(srcHost, ByteCount), nullptr, true);
  });
}

SOFTGPU_API cuMemcpyAtoH_v2(void* dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount) {
  return with_context([&](Context& context) {
    copy(context, on_host(dstHost, ByteCount), in_array(srcArray, srcOffset, ByteCount), nullptr, true);
  });
}

SOFTGPU_API cuMemcpyHtoAAsync_v2(CUarray dstArray, size_t dstOffset, const void* srcHost, size_t ByteCount,
                                 CUstream hStream) {
  return with_context([&](Context& context) {
    CUDA_MEMCPY3D copied = row_of(ByteCount);
    copied.srcMemoryType = CU_MEMORYTYPE_HOST;
    copied.srcHost = srcHost;
    copied.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    copied.dstArray = dstArray;
    copied.dstXInBytes = dstOffset;
    if (captured(context, hStream, copied)) return;
    copy(context, in_array(dstArray, dstOffset, ByteCount), on_host(srcHost, ByteCount), hStream, false);
  });
}

SOFTGPU_API cuMemcpyAtoHAsync_v2(void* dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount,
                                 CUstream hStream) {
  return with_context([&](Context& context) {
    CUDA_MEMCPY3D copied = row_of(ByteCount);
    copied.srcMemoryType = CU_MEMORYTYPE_ARRAY;
    copied.srcArray = srcArray;
    copied.srcXInBytes = srcOffset;
    copied.dstMemoryType = CU_MEMORYTYPE_HOST;
    copied.dstHost = dstHost;
    if (captured(context, hStream, copied)) return;
    copy(context, on_host(dstHost, ByteCount), in_array(srcArray, srcOffset, ByteCount), hStream, false);
  });
}

SOFTGPU_API cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice, size_t ByteCount) {
  return with_context([&](Context& context) {
    copy(context, in_array(dstArray, dstOffset, ByteCount), on_device(context, srcDevice, ByteCount), nullptr,
         true);
  });
}

SOFTGPU_API cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset, size_t ByteCount) {
  return with_context([&](Context& context) {
    copy(context, on_device(context, dstDevice, ByteCount), in_array(srcArray, srcOffset, ByteCount), nullptr,
         true);
  });
}

SOFTGPU_API cuMemcpyAtoA_v2(CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset,
                            size_t ByteCount) {
  return with_context([&](Context& context) {
    copy(context, in_array(dstArray, dstOffset, ByteCount), in_array(srcArray, srcOffset, ByteCount), nullptr,
         true);
  });
}
