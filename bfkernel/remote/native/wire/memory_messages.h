// SPDX-License-Identifier: BSD-3-Clause
// Messages about memory, and copies between client and device. The device is that of the frame's context,
// where nothing else is said.
#pragma once

#include <cstdint>

#include "wire/message.h"

namespace wire {

struct MemAlloc {
  BFKERNEL_MESSAGE(MemAlloc);
  uint64_t size = 0;
  int32_t device = -1;  // of the lease; -1: the context's
  BFKERNEL_FIELDS(size, device)
  struct Reply {
    uint64_t address = 0;
    BFKERNEL_FIELDS(address)
  };
};
struct MemFree {
  BFKERNEL_MESSAGE(MemFree);
  uint64_t address = 0;
  BFKERNEL_FIELDS(address)
};
struct MemInfo {
  BFKERNEL_MESSAGE(MemInfo);
  template <class A>
  void fields(A&) {}
  struct Reply {
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;
    BFKERNEL_FIELDS(free_bytes, total_bytes)
  };
};

// Virtual memory management: the client hands out addresses of the window's upper half itself.
struct MemCreate {
  BFKERNEL_MESSAGE(MemCreate);
  uint64_t memory = 0;
  uint64_t size = 0;
  int32_t device = 0;
  BFKERNEL_FIELDS(memory, size, device)
};
struct MemRelease {
  BFKERNEL_MESSAGE(MemRelease);
  uint64_t memory = 0;
  BFKERNEL_FIELDS(memory)
};
struct MemMap {
  BFKERNEL_MESSAGE(MemMap);
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t offset = 0;
  uint64_t memory = 0;
  BFKERNEL_FIELDS(address, size, offset, memory)
};
struct MemUnmap {
  BFKERNEL_MESSAGE(MemUnmap);
  uint64_t address = 0;
  uint64_t size = 0;
  BFKERNEL_FIELDS(address, size)
};
struct MemSetAccess {
  BFKERNEL_MESSAGE(MemSetAccess);
  uint64_t address = 0;
  uint64_t size = 0;
  int32_t device = 0;
  uint32_t access = 0;  // CUmemAccess_flags
  BFKERNEL_FIELDS(address, size, device, access)
};

// ---- copies between client and device

// `bytes` comes last, so that a sender can write it from where it lies.
struct CopyToDevice {
  BFKERNEL_MESSAGE(CopyToDevice);
  uint64_t destination = 0;
  uint64_t stream = 0;
  uint8_t sync = 0;  // 1: the program called a synchronous form, so the copy is ordered as those are
  Bytes bytes;
  BFKERNEL_FIELDS(destination, stream, sync, bytes)
};
// The reply's payload is the bytes themselves, exactly `size` of them (of Copy3D: width * height * depth).
struct CopyToHost {
  BFKERNEL_MESSAGE(CopyToHost);
  uint64_t source = 0;
  uint64_t size = 0;
  uint64_t stream = 0;
  uint8_t sync = 0;
  BFKERNEL_FIELDS(source, size, stream, sync)
};

// One side of a 2-D or 3-D copy: rows of `pitch` bytes, slices of `slice_pitch`.
struct Pitched {
  uint64_t address = 0;
  uint64_t pitch = 0;
  uint64_t slice_pitch = 0;
  BFKERNEL_FIELDS(address, pitch, slice_pitch)
};
// One side that is an array: where in it the copy begins.
struct ArrayPlace {
  uint64_t array = 0;  // 0: this side is memory
  uint64_t x_bytes = 0;
  uint64_t y = 0;
  uint64_t z = 0;
  BFKERNEL_FIELDS(array, x_bytes, y, z)
};
enum class Direction : uint8_t { to_device, to_host, on_device };
// The client's side of the copy travels packed: width * height * depth bytes without gaps. on_device and
// to_device are posted, to_host is waiting and answered as CopyToHost is.
struct Copy3D {
  BFKERNEL_MESSAGE(Copy3D);
  Direction direction = Direction::on_device;
  uint8_t sync = 0;
  uint64_t stream = 0;
  uint64_t width_bytes = 0;
  uint64_t height = 0;
  uint64_t depth = 0;
  Pitched destination;  // unused for to_host
  Pitched source;       // unused for to_device
  ArrayPlace destination_array;
  ArrayPlace source_array;
  Bytes bytes;  // to_device only
  BFKERNEL_FIELDS(direction, sync, stream, width_bytes, height, depth, destination, source, destination_array,
                  source_array, bytes)
};

}  // namespace wire
