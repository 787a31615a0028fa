// SPDX-License-Identifier: BSD-3-Clause
#include "address_space.h"

#include <array>
#include <mutex>

namespace softgpu::driver {

AddressSpace& AddressSpace::instance() {
  static auto* space = new AddressSpace;
  return *space;
}

void AddressSpace::insert(Range range) {
  std::unique_lock lock(mutex_);
  range.buffer_id = next_buffer_id_++;
  ranges_.insert_or_assign(range.begin, std::move(range));
  generation_.fetch_add(1, std::memory_order_release);
}

std::optional<Range> AddressSpace::remove(uint64_t begin, const std::function<bool(const Range&)>& wanted) {
  std::unique_lock lock(mutex_);
  auto found = ranges_.find(begin);
  if (found == ranges_.end() || !wanted(found->second)) return std::nullopt;
  Range range = std::move(found->second);
  ranges_.erase(found);
  generation_.fetch_add(1, std::memory_order_release);
  return range;
}

std::map<uint64_t, Range>::const_iterator AddressSpace::at(uint64_t address) const {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return ranges_.end();
  auto candidate = std::prev(after);
  return address < candidate->second.end ? candidate : ranges_.end();
}

std::optional<Range> AddressSpace::find(uint64_t address) const {
  std::shared_lock lock(mutex_);
  auto found = at(address);
  if (found == ranges_.end()) return std::nullopt;
  return found->second;
}

std::vector<Range> AddressSpace::overlapping(uint64_t begin, uint64_t end) const {
  std::shared_lock lock(mutex_);
  std::vector<Range> result;
  auto range = at(begin);
  if (range == ranges_.end()) range = ranges_.lower_bound(begin);
  for (; range != ranges_.end() && range->first < end; ++range) result.push_back(range->second);
  return result;
}

std::vector<Range> AddressSpace::owned_by(uint64_t context) const {
  std::shared_lock lock(mutex_);
  std::vector<Range> result;
  for (const auto& [begin, range] : ranges_) {
    if (range.context == context) result.push_back(range);
  }
  return result;
}

void AddressSpace::set_access(uint64_t begin, uint32_t access) {
  std::unique_lock lock(mutex_);
  auto found = ranges_.find(begin);
  if (found == ranges_.end()) return;
  found->second.access = access;
  generation_.fetch_add(1, std::memory_order_release);
}

void AddressSpace::set_pool_access(const MemoryPool* pool, uint32_t access) {
  std::unique_lock lock(mutex_);
  for (auto& [begin, range] : ranges_) {
    if (range.pool.get() == pool) range.access = access;
  }
  generation_.fetch_add(1, std::memory_order_release);
}

bool AddressSpace::reachable(uint64_t address, size_t size, uint32_t own, uint32_t peers, uint64_t* begin,
                             uint64_t* end) const {
  auto open = [&](const Range& range) { return (range.access & (range.explicit_access ? own : peers)) != 0; };
  std::shared_lock lock(mutex_);
  auto range = at(address);
  if (range == ranges_.end() || !open(range->second)) return false;
  *begin = range->second.begin;
  *end = range->second.end;
  // Neighbouring mappings of a reserved range are one piece of memory to the program.
  while (*end - address < size) {
    if (range->second.kind != RangeKind::mapped) return false;
    ++range;
    if (range == ranges_.end() || range->first != *end || range->second.kind != RangeKind::mapped)
      return false;
    if (!open(range->second)) return false;
    *end = range->second.end;
  }
  return true;
}

namespace {

// The last answers a thread got. An entry counts only while nothing at all has changed in the map.
struct Remembered {
  uint64_t generation = 0;
  uint32_t own = 0;  // with the peers all that an answer depends on
  uint32_t peers = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
};
thread_local std::array<Remembered, 4> remembered;
thread_local unsigned next_remembered = 0;

}  // namespace

bool ContextMemory::find(uint64_t address, size_t size, uint64_t* begin, uint64_t* end) const {
  const AddressSpace& space = AddressSpace::instance();
  uint64_t generation = space.generation();
  uint32_t peers = peers_.load(std::memory_order_relaxed);
  for (const Remembered& entry : remembered) {
    if (entry.generation != generation || entry.own != own_ || entry.peers != peers) continue;
    if (address < entry.begin || address >= entry.end || entry.end - address < size) continue;
    *begin = entry.begin;
    *end = entry.end;
    return true;
  }
  if (!space.reachable(address, size, own_, peers, begin, end)) return false;
  remembered[next_remembered++ % remembered.size()] = {generation, own_, peers, *begin, *end};
  return true;
}

bool ContextMemory::holds(uint64_t address, size_t size) const {
  uint64_t begin, end;
  return size == 0 || (address + size >= address && find(address, size, &begin, &end));
}

}  // namespace softgpu::driver
