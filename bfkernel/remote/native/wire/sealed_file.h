// SPDX-License-Identifier: BSD-3-Clause
// Files in memory that two processes share, of a size that neither can change: nobody can take pages away
// from under the other side.
#pragma once

#include <cstddef>
#include <span>

#include "wire/socket.h"

namespace wire {

// Filled with zeros. Throws std::system_error.
Fd make_sealed_file(std::size_t size);

// All of such a file, for reading and writing, in this process.
class Mapping {
 public:
  // Throws Malformed for a file of another size, or one that may still change its size; std::system_error.
  Mapping(int file, std::size_t size);
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace wire
