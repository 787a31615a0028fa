// SPDX-License-Identifier: BSD-3-Clause
// One-dimensional copies. Device and host are one memory here, so a copy is a memmove at the right moment.
#include <cstring>
#include <memory>
#include <vector>

#include "capture.h"
#include "copy.h"
#include "current.h"
#include "memory.h"

using namespace softgpu::driver;

namespace {

const void* host(CUdeviceptr address) { return reinterpret_cast<const void*>(address); }
void* writable(CUdeviceptr address) { return reinterpret_cast<void*>(address); }

// A device address, in the current context or in another device's.
void require_device(const Context& context, CUdeviceptr address, size_t size, When when) {
  require(holds(context, address, size, when));
}

// cuMemcpy takes what it finds: a device address if it lies in device memory, else the program's own.
void require_either(const Context& context, CUdeviceptr address, size_t size, When when) {
  require(address != 0);
  if (AddressSpace::instance().find(address)) require_device(context, address, size, when);
}

CUresult copy_now(CUdeviceptr dst, CUdeviceptr src, size_t size, bool dst_device, bool src_device) {
  return with_context([&](Context& context) {
    not_in_unsafe_capture();
    if (size == 0) return;
    dst_device ? require_device(context, dst, size, When::now)
               : require_either(context, dst, size, When::now);
    src_device ? require_device(context, src, size, When::now)
               : require_either(context, src, size, When::now);
    run_and_wait(*resolve_stream(context, nullptr), [=] { std::memmove(writable(dst), host(src), size); });
  });
}

CUresult copy_async(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream_handle, bool dst_device,
                    bool src_device) {
  return with_context([&](Context& context) {
    std::shared_ptr<Stream> stream = resolve_stream(context, stream_handle);
    if (size == 0) return;
    When when = capturing(*stream) ? When::later : When::now;
    dst_device ? require_device(context, dst, size, when) : require_either(context, dst, size, when);
    src_device ? require_device(context, src, size, when) : require_either(context, src, size, when);
    if (capturing(*stream)) {
      capture(*stream, copy_work(owner(*stream), dst, src, size));
      return;
    }
    submit_copy(*stream, {{dst, size}, {src, size}, [=] { std::memmove(writable(dst), host(src), size); }});
  });
}

}  // namespace

SOFTGPU_API cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount) {
  return copy_now(dst, src, ByteCount, false, false);
}

SOFTGPU_API cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void* srcHost, size_t ByteCount) {
  return copy_now(dstDevice, reinterpret_cast<CUdeviceptr>(srcHost), ByteCount, true, false);
}

SOFTGPU_API cuMemcpyDtoH_v2(void* dstHost, CUdeviceptr srcDevice, size_t ByteCount) {
  return copy_now(reinterpret_cast<CUdeviceptr>(dstHost), srcDevice, ByteCount, false, true);
}

SOFTGPU_API cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount) {
  return copy_now(dstDevice, srcDevice, ByteCount, true, true);
}

SOFTGPU_API cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
                         CUcontext srcContext, size_t ByteCount) {
  return guarded([&] {
    context_of(dstContext)->check();
    context_of(srcContext)->check();
    return copy_now(dstDevice, srcDevice, ByteCount, true, true);
  });
}

SOFTGPU_API cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream) {
  return copy_async(dst, src, ByteCount, hStream, false, false);
}

SOFTGPU_API cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void* srcHost, size_t ByteCount,
                                 CUstream hStream) {
  return copy_async(dstDevice, reinterpret_cast<CUdeviceptr>(srcHost), ByteCount, hStream, true, false);
}

SOFTGPU_API cuMemcpyDtoHAsync_v2(void* dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream) {
  return copy_async(reinterpret_cast<CUdeviceptr>(dstHost), srcDevice, ByteCount, hStream, false, true);
}

SOFTGPU_API cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount,
                                 CUstream hStream) {
  return copy_async(dstDevice, srcDevice, ByteCount, hStream, true, true);
}

SOFTGPU_API cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
                              CUcontext srcContext, size_t ByteCount, CUstream hStream) {
  return guarded([&] {
    context_of(dstContext)->check();
    context_of(srcContext)->check();
    return copy_async(dstDevice, srcDevice, ByteCount, hStream, true, true);
  });
}
