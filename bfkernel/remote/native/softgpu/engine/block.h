// SPDX-License-Identifier: BSD-3-Clause
// A block (CTA): its warps, barriers and shared memory, run by one thread of the pool at a time; and the
// launch that it belongs to.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/warp.h"

namespace softgpu {

// Everything about one launch that is the same for all of its blocks.
struct Launch {
  const Instance* instance = nullptr;
  const Function* kernel = nullptr;
  const LaunchConfig* config = nullptr;
  const MemoryMap* memory = nullptr;
  PrintfSink* out = nullptr;
  const uint8_t* constants = nullptr;
  std::vector<uint8_t> params;
  uint64_t blocks = 0;
  uint32_t threads_per_block = 0;
  uint32_t warps_per_block = 0;
  uint64_t shared_bytes = 0;
  uint64_t local_bytes = 0;  // per lane

  std::atomic<uint64_t> next_block{0};
  std::atomic<bool> stopping{false};
  std::atomic<uint64_t> grid_arrived{0};     // blocks that wait at the grid's barrier
  std::atomic<uint64_t> grid_generation{0};  // how often it has opened
  // What %envreg1 and %envreg2 point to: cooperative groups keeps its own grid barrier there.
  alignas(64) uint8_t workspace[64] = {};

  void report(FaultReport report) {
    const std::lock_guard lock(mutex_);
    if (report_.fault == Fault::none) report_ = std::move(report);
    stopping.store(true, std::memory_order_relaxed);
  }
  FaultReport result() const { return report_; }

 private:
  std::mutex mutex_;
  FaultReport report_;
};

constexpr uint8_t kGridBarrier = 16;  // barriers[16]: opens when all blocks have arrived

enum class Reduction : uint8_t { none, conjunction, disjunction, count };

// One of a block's 16 barriers.
struct Barrier {
  uint32_t arrived = 0;   // threads, warps that are there as a whole counted as 32
  uint32_t expected = 0;  // 0: all live threads
  Reduction reduction = Reduction::none;
  uint32_t count = 0;  // lanes whose predicate was true
  uint32_t voters = 0;
  uint32_t waiting = 0;  // lanes that wait, exactly
};

class Block {
 public:
  Launch* launch = nullptr;
  uint32_t id[3] = {0, 0, 0};
  uint32_t worker = 0;  // %smid
  std::vector<uint8_t> shared;
  std::vector<std::unique_ptr<Warp>> warps;
  uint32_t warp_count = 0;
  uint32_t live_threads = 0;
  Barrier barriers[17];
  bool at_grid_barrier = false;
  uint64_t grid_generation = 0;  // of the barrier that this block waits at

  enum class State { preempted, finished, faulted };

  void start(Launch* l, uint64_t linear_index, uint32_t worker_index);
  // Runs the warps in turn until the block ends, or for `turns` turns of a warp.
  State run(int turns);

  // `mask` lanes of `w` come to barrier `id`; see barriers.cpp.
  void arrive(Warp& w, uint8_t id, uint32_t expected, uint32_t mask, bool waits);
  void lanes_exited(uint32_t count);
  void check_barrier(uint8_t id);

 private:
  void complete(uint8_t id);
  bool pass_grid_barrier();
  void report_deadlock();
};

}  // namespace softgpu
