// SPDX-License-Identifier: BSD-3-Clause
// Every live range of memory that a device may reach, of all devices: one process has one address space.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "api.h"
#include "engine/engine.h"

namespace softgpu::driver {

class MemoryPool;

enum class RangeKind {
  device,           // cuMemAlloc and a module's variables
  pool,             // cuMemAllocAsync
  graph,            // allocated by a graph's node; open to devices while it may be used
  managed,          // cuMemAllocManaged
  mapped,           // cuMemMap
  imported,         // cuIpcOpenMemHandle
  host_allocated,   // cuMemHostAlloc
  host_registered,  // cuMemHostRegister
};

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  RangeKind kind = RangeKind::device;
  int device = 0;                // ordinal; for host memory that of the context which made it
  uint32_t access = 0;           // one bit for each device that may reach it
  bool explicit_access = false;  // access is exactly what the program set; enabling peers does not widen it
  uint64_t context = 0;          // id of the owning context, 0 when none
  unsigned flags = 0;            // as given to cuMemHostAlloc, cuMemHostRegister or cuMemAllocManaged
  bool internal = false;         // a module's variable: not the program's to free
  uint64_t buffer_id = 0;        // unique over the process's life
  std::shared_ptr<MemoryPool> pool;  // destroyed or not, it is there for what came from it

  uint64_t size() const { return end - begin; }
  bool is_host() const { return kind == RangeKind::host_allocated || kind == RangeKind::host_registered; }
};

class AddressSpace {
 public:
  static AddressSpace& instance();

  void insert(Range range);
  // Takes out the range that begins at `begin`; nothing when there is none, or `wanted` refuses it.
  std::optional<Range> remove(uint64_t begin, const std::function<bool(const Range&)>& wanted);
  std::optional<Range> find(uint64_t address) const;
  // All ranges that touch [begin, end), in order.
  std::vector<Range> overlapping(uint64_t begin, uint64_t end) const;
  std::vector<Range> owned_by(uint64_t context) const;
  void set_access(uint64_t begin, uint32_t access);
  void set_pool_access(const MemoryPool* pool, uint32_t access);

  // [address, address + size) is reachable from a device; *begin and *end then bound what is known to be.
  // `own` is the device's own bit, `peers` the bits of all devices whose plain memory it sees, its own
  // included.
  bool reachable(uint64_t address, size_t size, uint32_t own, uint32_t peers, uint64_t* begin,
                 uint64_t* end) const;
  // Changes with every change of the map, so that a reader may keep an answer until then.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  std::map<uint64_t, Range>::const_iterator at(uint64_t address) const;

  mutable std::shared_mutex mutex_;
  std::map<uint64_t, Range> ranges_;
  std::atomic<uint64_t> generation_{1};
  uint64_t next_buffer_id_ = 1;
};

// What one context's kernels may touch.
class ContextMemory final : public MemoryMap {
 public:
  explicit ContextMemory(int device) : own_(1u << device), peers_(1u << device) {}
  bool find(uint64_t address, size_t size, uint64_t* begin, uint64_t* end) const override;
  bool holds(uint64_t address, size_t size) const;
  void add_peer(int device) { peers_.fetch_or(1u << device); }
  void remove_peer(int device) { peers_.fetch_and(~(1u << device)); }
  bool has_peer(int device) const { return peers_.load() >> device & 1; }

 private:
  const uint32_t own_;
  std::atomic<uint32_t> peers_;
};

}  // namespace softgpu::driver
