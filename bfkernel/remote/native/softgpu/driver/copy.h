// SPDX-License-Identifier: BSD-3-Clause
// When an asynchronous copy may really be asynchronous.
#pragma once

#include <functional>

#include "context.h"

namespace softgpu::driver {

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

}  // namespace softgpu::driver
