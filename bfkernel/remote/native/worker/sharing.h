// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cuda.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "wire/ipc_messages.h"
#include "wire/json.h"
#include "wire/socket.h"
#include "worker/control.h"
#include "worker/memory.h"

namespace worker {

// Memory and events shared between the processes of a lease. What a program passes on names a worker and
// something of its; whoever opens that asks the worker, through the agent, which connects workers of one
// lease only. Questions are asked by the session's thread or a lane, and answered by the control thread.
class Sharing {
 public:
  explicit Sharing(Control& control) : control_(control) {}
  // Once the memory exists and before the control line is read.
  void use(Memory& memory) { memory_ = &memory; }

  // The names of an allocation, a part of a block, and of an event for other processes.
  CUresult name_memory(std::uint64_t address, std::uint64_t length, wire::IpcHandle* handle);
  // The allocation is no more: nobody opens it from here on.
  void forget_memory(std::uint64_t address);
  wire::IpcHandle name_event(std::uint64_t id, const CUipcEventHandle& handle);

  // Maps another process's block. Opened again, it is found where it was.
  CUresult open_memory(const wire::IpcHandle& handle, wire::IpcOpenMemory::Reply& reply);
  // True where it was opened as often as it is closed now, so that it is gone.
  std::optional<bool> close_memory(std::uint64_t address);
  // What another process's driver calls an event.
  CUresult find_event(const wire::IpcHandle& handle, CUipcEventHandle* found);

  // A message of the agent's; false where it is not about sharing. The control thread calls it.
  bool receive(const wire::json::Value& message, wire::Fd file);

 private:
  struct Answer {
    wire::json::Value text;
    wire::Fd file;
  };
  struct Opened {
    std::string name;
    wire::IpcOpenMemory::Reply reply;
    unsigned times = 0;
  };

  wire::IpcHandle name(std::uint64_t number, std::uint32_t what) const;
  // What the worker that the handle names says, or nothing where it is gone or says no.
  std::optional<Answer> ask(const wire::IpcHandle& handle);
  void lend(const wire::json::Value& question);
  std::optional<std::uint64_t> named(std::uint64_t address);

  Control& control_;
  Memory* memory_ = nullptr;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::int64_t last_question_ = 0;
  std::map<std::int64_t, std::optional<Answer>> answers_;  // by question; empty: still open
  std::map<std::uint64_t, std::uint64_t> named_;           // allocations: address → length
  std::map<std::uint64_t, CUipcEventHandle> events_;       // by the client's id
  std::mutex opened_mutex_;                                // taken before mutex_
  std::map<std::uint64_t, Opened> opened_;                 // by address
  std::map<std::string, std::uint64_t> opened_by_name_;    // to the address
};

}  // namespace worker
