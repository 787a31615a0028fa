// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/ring.h"
#include "wire/socket.h"

namespace wire {

// Memory that a program and its worker share: two rings for frames, and staging for the bytes of large
// copies. The worker makes it, as a memfd whose size is sealed, so that nobody can take pages away from under
// the other side.
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
  static Segment create();
  // What came from the other side. Throws Malformed for what is no such memory, std::system_error.
  explicit Segment(Fd file);
  ~Segment();
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&&) = delete;

  int file() const { return file_.get(); }
  // It is mapped: nobody needs the descriptor any more.
  void close_file() { file_.reset(); }
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
  Fd file_;
  std::byte* memory_ = nullptr;
};

}  // namespace wire
