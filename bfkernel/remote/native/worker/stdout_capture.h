// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <mutex>
#include <string_view>

namespace worker {

// What the device prints: drivers write it to the process's standard output when a call synchronises. The
// worker's standard output is therefore a pipe into itself, and what arrives is sent to the client.
class StdoutCapture {
 public:
  using Sink = std::function<void(std::string_view)>;

  // Replaces descriptor 1 and starts the thread that empties the pipe when a driver fills it. Before the
  // driver is loaded. Throws std::system_error.
  StdoutCapture();

  // From here on what was printed goes to `sink`, one caller at a time.
  void start(Sink sink);

  // Passes on all that was printed before this call; called before the reply of a synchronising call.
  void drain();

 private:
  void watch();
  bool pass_on();

  int read_end_ = -1;
  std::mutex mutex_;
  Sink sink_;
};

}  // namespace worker
