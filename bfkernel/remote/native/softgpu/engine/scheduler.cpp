// SPDX-License-Identifier: BSD-3-Clause
// Launches: blocks are handed out in order to the threads that work on the launch. A thread keeps a block
// until it ends; one that runs for long is set aside so that blocks it may be waiting for get started.
#include <deque>

#include "engine/block.h"
#include "engine/thread_pool.h"

namespace softgpu {
namespace {

constexpr int kBlockTurns = 2048;       // turns of warps before a block is set aside
constexpr size_t kResidentBlocks = 32;  // per thread; a cooperative launch has no bound

class Worker {
 public:
  Worker(Launch* launch, uint32_t index) : launch_(launch), index_(index) {}

  void work() {
    const bool cooperative = launch_->config->cooperative;
    while (!launch_->stopping.load(std::memory_order_relaxed)) {
      if (resident_.empty() || turn_ >= resident_.size()) {
        turn_ = 0;
        if (cooperative || resident_.size() < kResidentBlocks) admit();
        if (resident_.empty()) return;
      }
      const Block::State state = resident_[turn_]->run(kBlockTurns);
      if (state == Block::State::preempted) {
        ++turn_;
        continue;
      }
      spare_.push_back(std::move(resident_[turn_]));
      resident_.erase(resident_.begin() + static_cast<std::ptrdiff_t>(turn_));
      if (state == Block::State::faulted) return;
    }
  }

 private:
  void admit() {
    const uint64_t next = launch_->next_block.fetch_add(1, std::memory_order_relaxed);
    if (next >= launch_->blocks) return;
    std::unique_ptr<Block> block;
    if (spare_.empty()) {
      block = std::make_unique<Block>();
    } else {
      block = std::move(spare_.back());
      spare_.pop_back();
    }
    block->start(launch_, next, index_);
    resident_.push_back(std::move(block));
  }

  Launch* launch_;
  uint32_t index_;
  size_t turn_ = 0;
  std::deque<std::unique_ptr<Block>> resident_;
  std::vector<std::unique_ptr<Block>> spare_;
};

}  // namespace

FaultReport launch(const Instance& instance, const Kernel& kernel, const LaunchConfig& config,
                   const MemoryMap& memory, PrintfSink& out) {
  Launch l;
  l.instance = &instance;
  l.kernel = kernel.function;
  l.config = &config;
  l.memory = &memory;
  l.out = &out;
  l.constants = instance.constants();
  const auto* bytes = reinterpret_cast<const uint8_t*>(config.params.data());
  l.params.assign(bytes, bytes + config.params.size());
  l.params.resize(std::max(l.params.size(), l.kernel->info.param_bytes));
  l.blocks = uint64_t{config.grid[0]} * config.grid[1] * config.grid[2];
  l.threads_per_block = config.block[0] * config.block[1] * config.block[2];
  l.warps_per_block = (l.threads_per_block + kLanes - 1) / kLanes;
  l.shared_bytes = std::max<uint64_t>(l.kernel->info.static_shared_bytes, l.kernel->dynamic_shared_base) +
                   config.dynamic_shared_bytes;
  constexpr uint64_t kUnboundedStack = 64 << 10;
  l.local_bytes =
      (l.kernel->stack_need + (l.kernel->unbounded_stack ? kUnboundedStack : 0) + 15) & ~uint64_t{15};
  if (l.blocks == 0 || l.threads_per_block == 0) return {};
  if (l.threads_per_block > 1024) return {Fault::launch_out_of_resources, "more than 1024 threads a block"};
  ThreadPool::instance().run(static_cast<uint32_t>(std::min<uint64_t>(l.blocks, 1u << 16)),
                             [&l](uint32_t index) { Worker(&l, index).work(); });
  return l.result();
}

}  // namespace softgpu
