// SPDX-License-Identifier: BSD-3-Clause
// One thread a core, kept for the life of the process. Whoever asks for work to be done takes part in it, so
// two launches that wait for each other both advance.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace softgpu {

class ThreadPool {
 public:
  static ThreadPool& instance();

  // Calls work(0) here and work(1), work(2), … on up to `wanted` - 1 idle threads; returns when all have
  // returned.
  void run(uint32_t wanted, const std::function<void(uint32_t)>& work);

 private:
  struct Job {
    const std::function<void(uint32_t)>* work;
    uint32_t wanted;  // helpers still welcome
    uint32_t next = 1;
    uint32_t running = 0;
  };

  ThreadPool();
  void loop();

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable finished_;
  std::list<Job*> jobs_;
  uint32_t helpers_;
};

}  // namespace softgpu
