// SPDX-License-Identifier: BSD-3-Clause
// An event that several processes know: how often it was recorded, and which recording was reached.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "ipc_file.h"

namespace softgpu::driver {

class SharedEvent {
 public:
  SharedEvent();
  // Another process's.
  explicit SharedEvent(std::unique_ptr<IpcFile> file);
  ~SharedEvent();
  SharedEvent(const SharedEvent&) = delete;

  // The number of a new recording, to be reached later.
  uint64_t record() { return counters_->recorded.fetch_add(1) + 1; }
  void reach(uint64_t recording);
  uint64_t latest() const { return counters_->recorded.load(); }
  bool reached(uint64_t recording) const { return counters_->reached.load() >= recording; }
  // Asks again and again.
  void wait() const;
  const IpcFile& file() const { return *file_; }

 private:
  struct Counters {
    std::atomic<uint64_t> recorded;
    std::atomic<uint64_t> reached;
  };
  void map();
  const std::unique_ptr<IpcFile> file_;
  Counters* counters_ = nullptr;
};

}  // namespace softgpu::driver
