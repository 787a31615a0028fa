// SPDX-License-Identifier: BSD-3-Clause
// Host blocks: host memory that a client and its worker on the same machine have both mapped, and that the
// driver knows as page-locked. Two are there from the beginning, the segment's staging for large copies; each
// further one is an allocation of page-locked memory that the program asked for.
#pragma once

#include "wire/memory_messages.h"

namespace wire {

inline constexpr uint64_t kUploadsBlock = 1;
inline constexpr uint64_t kDownloadsBlock = 2;

// The block's memfd, sealed against changes of its size, comes ahead over the line between the two.
struct HostBlockOpen {
  BFKERNEL_MESSAGE(HostBlockOpen);
  uint64_t block = 0;  // the client's name for it
  uint64_t size = 0;   // bytes
  BFKERNEL_FIELDS(block, size)
};
// No copy to or from it follows; those on their way are finished.
struct HostBlockClose {
  BFKERNEL_MESSAGE(HostBlockClose);
  uint64_t block = 0;
  BFKERNEL_FIELDS(block)
};
struct HostBlockCopy {
  BFKERNEL_MESSAGE(HostBlockCopy);
  Direction direction = Direction::to_device;  // or to_host
  uint64_t device = 0;                         // address
  uint64_t stream = 0;
  uint64_t block = 0;
  uint64_t offset = 0;  // bytes
  uint64_t size = 0;    // bytes
  BFKERNEL_FIELDS(direction, device, stream, block, offset, size)
};
// Answered when the stream has done all copies that it was given so far.
struct HostBlockCopiesDone {
  BFKERNEL_MESSAGE(HostBlockCopiesDone);
  uint64_t stream = 0;
  BFKERNEL_FIELDS(stream)
};

}  // namespace wire
