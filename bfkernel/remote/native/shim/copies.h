// SPDX-License-Identifier: BSD-3-Clause
// Copies between host and device in one dimension; copies_pitched.cpp has the others.
#pragma once

#include <cstdint>

#include "shim/cuda_api.h"

namespace shim::copies {

enum class Order : uint8_t { async, sync };

void to_device(uint64_t destination, const void* source, uint64_t size, CUstream stream, Order order);
// At the end of a synchronous copy to the device: the copy, and what its stream had to do before, is over
// when the call returns. Where all the program's streams wait for one another nobody can tell the difference.
void wait_where_apart(CUstream stream, Order order);
void to_host(void* destination, uint64_t source, uint64_t size, CUstream stream, Order order);
void on_device(uint64_t destination, uint64_t source, uint64_t size, CUstream stream);

// Either side may be host or device: the address tells.
void unified(uint64_t destination, uint64_t source, uint64_t size, CUstream stream, Order order);

}  // namespace shim::copies
