// SPDX-License-Identifier: BSD-3-Clause
// The way of large copies between a program and a worker on one machine: through pieces of memory that both
// have mapped and that the driver knows as page-locked. The program's side copies once, and the GPU the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "shim/cuda_api.h"

namespace shim::staging {

// True where a copy of so many bytes had better go this way, and may: not while a stream captures, nor while
// a function of the program's may still run in a stream, for which nothing here may wait.
bool serves(uint64_t size);

// `source` may be changed when this returns. Throws Failure.
void to_device(uint64_t destination, std::span<const std::byte> source, CUstream stream);
// The bytes are there when this returns. The error of what came before in the stream, or success.
struct Arrival {
  CUresult result = CUDA_SUCCESS;
  uint64_t sequence = 0;  // of the last request that waited for the stream
};
Arrival to_host(std::span<std::byte> destination, uint64_t source, CUstream stream);

}  // namespace shim::staging
