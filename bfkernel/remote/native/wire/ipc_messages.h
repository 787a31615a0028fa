// SPDX-License-Identifier: BSD-3-Clause
// Memory and events that processes of one lease share. The 64 bytes that a program passes from process to
// process name a worker and something of its; they hold nothing of the driver's.
#pragma once

#include <array>
#include <cstdint>

#include "wire/message.h"

namespace wire {

struct IpcHandle {
  static constexpr uint32_t kMemory = 1;
  static constexpr uint32_t kEvent = 2;
  std::array<char, 16> worker{};  // as the agent calls it
  uint64_t number = 0;            // an address, or an event's id
  uint32_t what = 0;
  std::array<uint8_t, 36> zero{};
  BFKERNEL_FIELDS(worker, number, what, zero)
};
static_assert(sizeof(IpcHandle) == 64);

// The whole of an allocation, as the client made it.
struct IpcGetMemory {
  BFKERNEL_MESSAGE(IpcGetMemory);
  uint64_t address = 0;
  uint64_t size = 0;
  BFKERNEL_FIELDS(address, size)
  struct Reply {
    IpcHandle handle;
    BFKERNEL_FIELDS(handle)
  };
};
// An allocation that other processes could open is no more. Who has opened it keeps it.
struct IpcForgetMemory {
  BFKERNEL_MESSAGE(IpcForgetMemory);
  uint64_t address = 0;
  BFKERNEL_FIELDS(address)
};
struct IpcOpenMemory {
  BFKERNEL_MESSAGE(IpcOpenMemory);
  IpcHandle handle;
  BFKERNEL_FIELDS(handle)
  struct Reply {
    uint64_t address = 0;
    uint64_t size = 0;
    int32_t device = 0;  // GPU of the lease
    BFKERNEL_FIELDS(address, size, device)
  };
};
struct IpcCloseMemory {
  BFKERNEL_MESSAGE(IpcCloseMemory);
  uint64_t address = 0;
  BFKERNEL_FIELDS(address)
  struct Reply {
    uint8_t gone = 0;  // 0: it was opened more often than closed
    BFKERNEL_FIELDS(gone)
  };
};
struct IpcGetEvent {
  BFKERNEL_MESSAGE(IpcGetEvent);
  uint64_t event = 0;
  BFKERNEL_FIELDS(event)
  using Reply = IpcGetMemory::Reply;
};
struct IpcOpenEvent {
  BFKERNEL_MESSAGE(IpcOpenEvent);
  uint64_t event = 0;  // the new id
  IpcHandle handle;
  BFKERNEL_FIELDS(event, handle)
};

}  // namespace wire
