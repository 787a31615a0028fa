// SPDX-License-Identifier: BSD-3-Clause
#include "engine/block.h"

#include <sched.h>

#include <algorithm>

namespace softgpu {

void Block::start(Launch* l, uint64_t linear_index, uint32_t worker_index) {
  launch = l;
  worker = worker_index;
  const auto& grid = l->config->grid;
  id[0] = static_cast<uint32_t>(linear_index % grid[0]);
  id[1] = static_cast<uint32_t>(linear_index / grid[0] % grid[1]);
  id[2] = static_cast<uint32_t>(linear_index / grid[0] / grid[1]);
  // Not cleared between blocks: on hardware its contents are undefined, too.
  if (shared.size() < l->shared_bytes + 16) shared.resize(l->shared_bytes + 16);
  for (Barrier& b : barriers) b = {};
  at_grid_barrier = false;
  warp_count = l->warps_per_block;
  live_threads = l->threads_per_block;
  while (warps.size() < warp_count) warps.push_back(std::make_unique<Warp>());
  for (uint32_t i = 0; i < warp_count; ++i) {
    const uint32_t threads = std::min<uint32_t>(kLanes, l->threads_per_block - i * kLanes);
    warps[i]->start(this, i, threads == kLanes ? ~0u : (1u << threads) - 1, l->kernel);
  }
}

Block::State Block::run(int turns) {
  for (;;) {
    bool ran = false;
    for (uint32_t i = 0; i < warp_count; ++i) {
      Warp& w = *warps[i];
      if (w.status != WarpStatus::runnable) continue;
      ran = true;
      w.spun = false;
      w.run();
      turns -= w.spun ? 64 : 1;
      if (w.status == WarpStatus::faulted) return State::faulted;
    }
    if (live_threads == 0) return State::finished;
    if (!ran && at_grid_barrier) {
      if (launch->stopping.load(std::memory_order_relaxed)) return State::faulted;
      if (pass_grid_barrier()) continue;
      sched_yield();
      return State::preempted;
    }
    if (!ran) {
      report_deadlock();
      return State::faulted;
    }
    if (launch->stopping.load(std::memory_order_relaxed)) return State::faulted;
    if (turns <= 0) return State::preempted;
  }
}

void Block::report_deadlock() {
  FaultReport report;
  report.fault = Fault::launch_timeout;
  report.detail = "deadlock in kernel " + launch->kernel->name + ", block (" + std::to_string(id[0]) + "," +
                  std::to_string(id[1]) + "," + std::to_string(id[2]) + "): " + std::to_string(live_threads) +
                  " threads wait at a barrier or a warp-wide instruction that the others never reach";
  launch->report(std::move(report));
}

}  // namespace softgpu
