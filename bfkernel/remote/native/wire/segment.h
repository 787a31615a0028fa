// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>

#include "wire/ring.h"
#include "wire/sealed_file.h"

namespace wire {

// Memory that a program and its worker share: two rings for frames, and staging for the bytes of large
// copies. The worker makes the file.
class Segment {
 public:
  static constexpr std::size_t kToWorker = 1 << 20;    // bytes of the ring
  static constexpr std::size_t kToClient = 256 << 10;  // bytes of the ring
  // Copies go through pieces of this size, so that one side fills one while the other copies out of another:
  // small enough to stay in the processor's cache in between.
  static constexpr std::size_t kPiece = 256 << 10;
  static constexpr std::size_t kUploads = 4 << 20;
  static constexpr std::size_t kDownloads = 4 << 20;

  // Throws std::system_error where the system has no such memory.
  static Fd make_file();
  // Throws Malformed for what is no such file, std::system_error.
  explicit Segment(int file);

  // In the child of a fork it is not there: what the parent says may not be disturbed.
  void keep_from_children();

  struct Ring {
    RingState& state;
    std::span<std::byte> bytes;
  };
  Ring to_worker() const;
  Ring to_client() const;
  std::span<std::byte> uploads() const;
  std::span<std::byte> downloads() const;

 private:
  Mapping mapping_;
};

}  // namespace wire
