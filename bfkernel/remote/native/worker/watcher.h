// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "wire/handles.h"
#include "worker/driver.h"

namespace worker {

// Looks at events and streams that a client has asked about and that were not done, and tells when they are,
// so that a client which polls need not ask again. It looks after some microseconds first, then ever more
// rarely, but each millisecond.
class Watcher {
 public:
  struct Watch {
    wire::Kind kind = wire::Kind::none;
    std::uint64_t id = 0;
    std::uint64_t context = 0;   // the client's id of the context that was current
    std::uint32_t sequence = 0;  // of the client's query
  };
  // Both are called by a thread of the watcher's own. `ask` returns nothing where now is no time to ask.
  using Ask = std::function<std::optional<CUresult>(const Watch&)>;
  using Report = std::function<void(const Watch&, CUresult)>;
  Watcher(Ask ask, Report report) : ask_(std::move(ask)), report_(std::move(report)) {}
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // More than this at once, and a client has to ask again.
  static constexpr std::size_t kMost = 1024;
  // Only add() takes room, and only the session's thread calls it.
  bool has_room() const;
  void add(const Watch& watch);

 private:
  using Clock = std::chrono::steady_clock;
  struct Watched {
    Watch watch;
    Clock::time_point since;
  };
  void loop();
  void look(std::unique_lock<std::mutex>& lock);

  const Ask ask_;
  const Report report_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Watched> watched_;
  std::thread thread_;  // from the first watch on
  bool ending_ = false;
};

}  // namespace worker
