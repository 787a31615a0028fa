// SPDX-License-Identifier: BSD-3-Clause
// What is known of an event or a stream that the program polls: the worker was asked once, and tells by
// itself when the answer has changed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace shim {

struct ContextObject;

// Numbers are those of requests, as the transport counts them; 0: none.
struct Watch {
  std::mutex mutex;
  uint64_t asked = 0;  // the query whose answer was "not yet", and whose report has not come
  uint64_t done = 0;   // what was given to the GPU before this request is over

  // By who reads from the worker.
  void begin(uint64_t query) {
    const std::lock_guard lock(mutex);
    asked = query;
  }
  void end(uint64_t query, bool over) {
    const std::lock_guard lock(mutex);
    if (asked != query) return;  // of another object's time, or asked about again
    asked = 0;
    if (over) done = std::max(done, query);
  }
  void renew() {
    const std::lock_guard lock(mutex);
    asked = done = 0;
  }
};

// One stream of a context, or all of them.
struct Work {
  const ContextObject* context = nullptr;
  bool all = true;
  uint64_t stream = 0;
  bool holds(const Work& other) const {
    return context == other.context && (all || (!other.all && stream == other.stream));
  }
};

// What an event was recorded after, last.
struct Recording {
  uint64_t request = 0;  // 0: none, or one that says nothing of what it covers
  Work work;
  unsigned ends = 0;     // of the event's context, then
  bool foreign = false;  // others record it too: a graph, another process
};

}  // namespace shim
