// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace worker {

// Threads for calls that block in the driver, so that the calls of the client's other threads go on
// meanwhile. A thread is started when none is idle, and stays for the next blocking call.
class Lanes {
 public:
  // `failed` is told of an exception that ends a task; it may come from any lane.
  explicit Lanes(std::function<void(const std::exception&)> failed) : failed_(std::move(failed)) {}
  ~Lanes();  // waits for what is running
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // More client threads than this waiting at once wait in line: it bounds what a client can make us start.
  static constexpr std::size_t kMost = 512;

  void run(std::function<void()> task);
  // True while a task runs or waits to.
  bool busy();

 private:
  void loop();

  const std::function<void(const std::exception&)> failed_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};

}  // namespace worker
