// SPDX-License-Identifier: BSD-3-Clause
// A copy of two or three dimensions: a box of bytes, between two places.
#pragma once

#include "shim/copies.h"
#include "wire/memory_messages.h"

namespace shim {
struct ArrayObject;
}

namespace shim::copies {

// Rows of memory with gaps between them, or a place in an array.
struct Side {
  bool device = false;
  uint64_t address = 0;  // of the first byte that is copied
  uint64_t pitch = 0;
  uint64_t slice_pitch = 0;
  const ArrayObject* array = nullptr;
  uint64_t x = 0;  // bytes
  uint64_t y = 0;
  uint64_t z = 0;

  uint64_t at(uint64_t row, uint64_t slice) const { return address + row * pitch + slice * slice_pitch; }
  // As it travels, from some row and slice on. The client's own memory does not.
  void write(uint64_t row, uint64_t slice, wire::Pitched* memory, wire::ArrayPlace* place) const;
};

struct Box {
  Side destination;
  Side source;
  uint64_t width = 0;  // bytes
  uint64_t height = 0;
  uint64_t depth = 0;
};

Side array_side(CUarray array, uint64_t x_bytes, uint64_t y, uint64_t z);
// Throws Failure for what is no copy.
Box box_of(const CUDA_MEMCPY3D& copy);
// Throws Failure where the copy would leave what is the program's.
void check(const Box& box);
CUresult copy(const Box& box, CUstream stream, Order order);

}  // namespace shim::copies
