// SPDX-License-Identifier: BSD-3-Clause
// Filling memory with 8-, 16- and 32-bit values, in rows or not.
#include <algorithm>
#include <cstring>
#include <limits>

#include "capture.h"
#include "current.h"
#include "memset.h"

using namespace softgpu::driver;

namespace {

constexpr size_t kSmall = 64 << 10;  // bytes that are quicker written than handed to another thread

template <typename Element>
void fill(CUdeviceptr address, Element value, size_t count) {
  if constexpr (sizeof(Element) == 1) {
    std::memset(reinterpret_cast<void*>(address), value, count);
  } else {
    std::fill_n(reinterpret_cast<Element*>(address), count, value);
  }
}

struct Rows {
  CUdeviceptr address;
  size_t pitch;
  size_t width;  // in elements
  size_t height;
};

// Bytes from the first to the last element. Throws INVALID_VALUE when the numbers do not fit an address.
size_t span(const Rows& rows, size_t element) {
  if (rows.width == 0 || rows.height == 0) return 0;
  constexpr size_t most = std::numeric_limits<size_t>::max() / 2;
  require(rows.width <= most / element);
  size_t width = rows.width * element;
  if (rows.height == 1) return width;
  require(rows.pitch >= width && rows.pitch <= most / rows.height);
  return rows.pitch * (rows.height - 1) + width;
}

template <typename Element>
std::function<void()> plan(const Context& context, const Rows& rows, Element value, size_t* bytes,
                           When when) {
  *bytes = span(rows, sizeof(Element));
  require(rows.address % sizeof(Element) == 0);
  require(rows.height <= 1 || rows.pitch % sizeof(Element) == 0);
  require(*bytes == 0 || holds(context, rows.address, *bytes, when));
  return [rows, value] {
    for (size_t y = 0; y < rows.height; ++y) fill(rows.address + y * rows.pitch, value, rows.width);
  };
}

// A memset is asynchronous even without a stream; only later work in the stream has to see it.
template <typename Element>
CUresult set(const Rows& rows, Element value, CUstream handle) {
  return with_context([&](Context& context) {
    std::shared_ptr<Stream> stream = resolve_stream(context, handle);
    size_t bytes;
    When when = capturing(*stream) ? When::later : When::now;
    std::function<void()> run = plan(context, rows, value, &bytes, when);
    if (capturing(*stream)) {
      CUDA_MEMSET_NODE_PARAMS fill = {rows.address,    rows.pitch, value,
                                      sizeof(Element), rows.width, rows.height};
      capture(*stream, FillWork{owner(*stream), fill});
      return;
    }
    if (bytes == 0) return;
    if (bytes <= kSmall) {
      run_soon(*stream, std::move(run));
    } else {
      submit(*stream, std::move(run));
    }
  });
}

}  // namespace

std::function<void()> softgpu::driver::plan_fill(const Context& context, const CUDA_MEMSET_NODE_PARAMS& fill,
                                                 When when) {
  Rows rows = {fill.dst, fill.pitch, fill.width, fill.height};
  size_t bytes;
  switch (fill.elementSize) {
    case 1:
      return plan(context, rows, static_cast<unsigned char>(fill.value), &bytes, when);
    case 2:
      return plan(context, rows, static_cast<unsigned short>(fill.value), &bytes, when);
    case 4:
      return plan(context, rows, fill.value, &bytes, when);
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

SOFTGPU_API cuMemsetD8_v2(CUdeviceptr dstDevice, unsigned char uc, size_t N) {
  return set<unsigned char>({dstDevice, 0, N, 1}, uc, nullptr);
}

SOFTGPU_API cuMemsetD16_v2(CUdeviceptr dstDevice, unsigned short us, size_t N) {
  return set<unsigned short>({dstDevice, 0, N, 1}, us, nullptr);
}

SOFTGPU_API cuMemsetD32_v2(CUdeviceptr dstDevice, unsigned int ui, size_t N) {
  return set<unsigned int>({dstDevice, 0, N, 1}, ui, nullptr);
}

SOFTGPU_API cuMemsetD2D8_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width,
                            size_t Height) {
  return set<unsigned char>({dstDevice, dstPitch, Width, Height}, uc, nullptr);
}

SOFTGPU_API cuMemsetD2D16_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width,
                             size_t Height) {
  return set<unsigned short>({dstDevice, dstPitch, Width, Height}, us, nullptr);
}

SOFTGPU_API cuMemsetD2D32_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width,
                             size_t Height) {
  return set<unsigned int>({dstDevice, dstPitch, Width, Height}, ui, nullptr);
}

SOFTGPU_API cuMemsetD8Async(CUdeviceptr dstDevice, unsigned char uc, size_t N, CUstream hStream) {
  return set<unsigned char>({dstDevice, 0, N, 1}, uc, hStream);
}

SOFTGPU_API cuMemsetD16Async(CUdeviceptr dstDevice, unsigned short us, size_t N, CUstream hStream) {
  return set<unsigned short>({dstDevice, 0, N, 1}, us, hStream);
}

SOFTGPU_API cuMemsetD32Async(CUdeviceptr dstDevice, unsigned int ui, size_t N, CUstream hStream) {
  return set<unsigned int>({dstDevice, 0, N, 1}, ui, hStream);
}

SOFTGPU_API cuMemsetD2D8Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width,
                              size_t Height, CUstream hStream) {
  return set<unsigned char>({dstDevice, dstPitch, Width, Height}, uc, hStream);
}

SOFTGPU_API cuMemsetD2D16Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width,
                               size_t Height, CUstream hStream) {
  return set<unsigned short>({dstDevice, dstPitch, Width, Height}, us, hStream);
}

SOFTGPU_API cuMemsetD2D32Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width,
                               size_t Height, CUstream hStream) {
  return set<unsigned int>({dstDevice, dstPitch, Width, Height}, ui, hStream);
}
