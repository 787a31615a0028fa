// SPDX-License-Identifier: BSD-3-Clause
// Sizes computed from a client's numbers: every product is checked, since it decides what memory is touched.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

#include "wire/codec.h"
#include "wire/frame.h"

namespace wire {

// count elements of `size` bytes.
inline uint64_t rows(uint64_t size, uint64_t count) {
  uint64_t out = 0;
  if (__builtin_mul_overflow(size, count, &out)) throw Malformed("a size overflows");
  return out;
}

// From the first byte to the last of `height` rows of `width` elements, `pitch` bytes apart. Rows that
// overlap lie in no allocation: few bytes of memory could otherwise stand for work without end.
inline uint64_t pitched(uint64_t pitch, uint64_t size, uint64_t width, uint64_t height) {
  if (width == 0 || height == 0) return 0;
  const uint64_t row = rows(size, width);
  if (height > 1 && pitch < row) return UINT64_MAX;
  uint64_t out = 0;
  if (__builtin_add_overflow(rows(pitch, height - 1), row, &out)) throw Malformed("a size overflows");
  return out;
}

// How many numbers describe a tensor of this rank, `less` fewer than it has dimensions. None for a rank that
// no tensor has: the driver will say so.
inline uint64_t dimensions(uint32_t rank, uint32_t less) {
  constexpr uint32_t kMostDimensions = 5;
  return rank <= kMostDimensions && rank > less ? rank - less : 0;
}

// A count of elements of `size` bytes that may come back in one reply.
inline uint64_t capped(uint64_t count, uint64_t size) {
  if (rows(size, count) > kMaxPayload) throw Malformed("a reply would be too large");
  return count;
}

// An aligned copy of elements that travelled as bytes, or room for ones that will.
template <class T>
class Elements {
 public:
  explicit Elements(Bytes bytes) : Elements(bytes.size() / sizeof(T)) {
    std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  explicit Elements(uint64_t count) : count_(count), data_(std::make_unique<T[]>(count ? count : 1)) {}
  T* data() const { return data_.get(); }
  size_t bytes() const { return count_ * sizeof(T); }

 private:
  uint64_t count_;
  std::unique_ptr<T[]> data_;
};

}  // namespace wire
