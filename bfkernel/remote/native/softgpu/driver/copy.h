// SPDX-License-Identifier: BSD-3-Clause
// When an asynchronous copy may really be asynchronous.
#pragma once

#include <functional>

#include "context.h"

namespace softgpu::driver {

// Work that is run later may name memory of a graph that is not allocated yet.
enum class When { now, later };

struct Extent {
  CUdeviceptr address;
  size_t size;
  bool array = false;  // an array's own memory, which no pointer reaches
};

struct Copy {
  Extent dst;  // all that the copy may touch
  Extent src;
  std::function<void()> run;
};

// Submits a copy to a stream. Memory that CUDA does not know of (pageable memory) is the program's again when
// the call returns, as with NVIDIA's driver; only between known ranges is the copy left to the stream.
void submit_copy(Stream& stream, Copy copy);

// Checks a copy and returns what does it; empty when there is nothing to copy. Throws INVALID_VALUE.
std::function<void()> plan_copy(const Context& context, const CUDA_MEMCPY3D& copy, When when);
// [address, address + size) is memory of the context, of a device, or of a graph that may have it by then.
bool holds(const Context& context, CUdeviceptr address, size_t size, When when);

}  // namespace softgpu::driver
