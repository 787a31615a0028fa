// SPDX-License-Identifier: BSD-3-Clause
// One device's memory: how much of it is in use, and the address range that plain allocations come from.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "ipc_file.h"

namespace softgpu::driver {

// Where memory is in a file that other processes may map.
struct SharedPart {
  std::shared_ptr<IpcFile> file;
  uint64_t offset;
};

// Counts physical memory. Everything that would occupy a card's memory charges here first.
class Capacity {
 public:
  explicit Capacity(size_t total) : total_(total) {}
  bool charge(size_t bytes);
  void refund(size_t bytes) { used_.fetch_sub(bytes); }
  size_t total() const { return total_; }
  size_t free() const { return total_ - used_.load(); }

 private:
  const size_t total_;
  std::atomic<size_t> used_{0};
};

// Best-fit allocation out of one reserved range. The range is mapped once, without a commitment, so pages
// cost memory only when touched; freed pages go back to the operating system at once.
class Arena {
 public:
  // Alignment of every address, as NVIDIA's driver gives it.
  static constexpr size_t kAlignment = 512;

  explicit Arena(Capacity& capacity) : capacity_(capacity) {}
  Arena(const Arena&) = delete;

  // 0 when the device's memory is exhausted. Charges the capacity.
  uint64_t allocate(size_t size);
  // `address` and `size` as allocated.
  void free(uint64_t address, size_t size);
  // Moves the pages of an allocation into a file, at the same addresses. Nobody may write to them meanwhile.
  SharedPart share(uint64_t address, size_t size);

 private:
  bool reserve();
  void move_to_file(uint64_t begin, uint64_t end);
  void insert_free(uint64_t begin, uint64_t end);
  void erase_free(std::map<uint64_t, uint64_t>::iterator block);

  Capacity& capacity_;
  std::mutex mutex_;
  bool reserved_ = false;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  std::shared_ptr<IpcFile> shared_;       // as long as the whole range, with a hole for each page not shared
  std::map<uint64_t, uint64_t> in_file_;  // begin -> end of the pages that are shared
  std::map<uint64_t, uint64_t> free_;     // begin -> end
  std::set<std::pair<uint64_t, uint64_t>> free_by_size_;  // (size, begin)
};

}  // namespace softgpu::driver
