// SPDX-License-Identifier: BSD-3-Clause
#include "engine/builtins.h"

#include <atomic>
#include <bit>
#include <cstring>
#include <thread>

#include "engine/access.h"
#include "engine/block.h"
#include "engine/printf.h"

namespace softgpu {
namespace {

enum Builtin { kVprintf = 1, kMalloc, kFree, kAssertFail, kGridHandle, kGridSynchronize, kSetConditional };

// One call by one lane.
struct Call {
  Warp& w;
  const Instr* ip;
  const CallSite& site;
  int lane;

  uint8_t* slot(const Slot& s) const {
    if (s.row != kNoOperand)
      return const_cast<uint8_t*>(w.base[s.row & 1]) + (s.row & ~3u) + static_cast<size_t>(lane) * s.size;
    return w.local + static_cast<uint64_t>(lane) * w.local_stride + w.frame()->local_base + s.offset;
  }
  uint64_t argument(size_t i) const {
    uint64_t value = 0;
    if (i < site.args.size()) std::memcpy(&value, slot(site.args[i]), std::min<size_t>(site.args[i].size, 8));
    return value;
  }
  void result(uint64_t value) const {
    if (!site.results.empty())
      std::memcpy(slot(site.results[0]), &value, std::min<size_t>(site.results[0].size, 8));
  }
  bool text(uint64_t address, std::string* out) const {
    constexpr size_t longest = 1 << 20;
    for (; out->size() < longest; ++address) {
      const uint8_t* p = readable(w, ip, address, lane, 1);
      if (p == nullptr) return false;
      if (*p == 0) return true;
      *out += static_cast<char>(*p);
    }
    return true;
  }
};

const Instr* vprintf(const Call& call) {
  std::string format;
  if (!call.text(call.argument(0), &format))
    return call.w.fault(Fault::illegal_address, call.ip, static_cast<uint32_t>(call.lane),
                        "printf with an illegal format address");
  uint64_t next = call.argument(1);
  const auto argument = [&](uint32_t size, void* out) {
    next = (next + size - 1) & ~uint64_t{size - 1};
    const uint8_t* p = readable(call.w, call.ip, next, call.lane, size);
    next += size;
    if (p == nullptr) return false;
    std::memcpy(out, p, size);
    return true;
  };
  const std::string text =
      format_printf(format, argument, [&](uint64_t a, std::string* out) { return call.text(a, out); });
  call.w.block->launch->out->write(text);
  call.result(text.size());
  return call.ip + 1;
}

const Instr* assert_fail(const Call& call) {
  std::string message, file, function;
  call.text(call.argument(0), &message);
  call.text(call.argument(1), &file);
  call.text(call.argument(3), &function);
  const Block& block = *call.w.block;
  const auto& size = block.launch->config->block;
  const uint32_t linear = call.w.index * kLanes + static_cast<uint32_t>(call.lane);
  const auto triple = [](uint32_t x, uint32_t y, uint32_t z) {
    return "[" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + "]";
  };
  block.launch->out->write_error(
      file + ":" + std::to_string(static_cast<uint32_t>(call.argument(2))) + ": " + function +
      ": block: " + triple(block.id[0], block.id[1], block.id[2]) +
      ", thread: " + triple(linear % size[0], linear / size[0] % size[1], linear / size[0] / size[1]) +
      " Assertion `" + message + "` failed.\n");
  return call.w.fault(Fault::assert_triggered, call.ip, static_cast<uint32_t>(call.lane),
                      "assertion `" + message + "` failed");
}

// ---- the heap of device malloc: size classes of powers of two, with free lists, all kept inside the heap
// ----
struct Heap {
  uint32_t lock;
  uint32_t ready;
  uint64_t top;       // first byte never handed out
  uint64_t free[48];  // by class: first free block, linked through its first word
};
constexpr uint64_t kBlockMark = 0x736f667467707500;  // | class; stands 16 bytes before what malloc returned

class HeapLock {
 public:
  explicit HeapLock(Heap* heap) : cell_(heap->lock) {
    while (cell_.exchange(1, std::memory_order_acquire) != 0) std::this_thread::yield();
  }
  ~HeapLock() { cell_.store(0, std::memory_order_release); }

 private:
  std::atomic_ref<uint32_t> cell_;
};

Heap* open_heap(const LaunchConfig& c) {
  if (c.heap_begin == 0 || c.heap_end < c.heap_begin + 4096) return nullptr;
  return reinterpret_cast<Heap*>(c.heap_begin);
}

uint64_t allocate(const LaunchConfig& c, uint64_t size) {
  Heap* heap = open_heap(c);
  if (heap == nullptr || size == 0 || size > c.heap_end - c.heap_begin) return 0;
  const int rank = std::max(5, static_cast<int>(std::bit_width(size + 15)));
  const HeapLock lock(heap);
  if (heap->ready == 0) {
    heap->ready = 1;
    heap->top = (c.heap_begin + sizeof(Heap) + 63) & ~uint64_t{63};
    std::memset(heap->free, 0, sizeof heap->free);
  }
  uint64_t block = heap->free[rank];
  if (block != 0) {
    std::memcpy(&heap->free[rank], reinterpret_cast<void*>(block + 16), 8);
  } else {
    block = heap->top;
    if ((1ull << rank) > c.heap_end - block) return 0;
    heap->top += 1ull << rank;
  }
  const uint64_t mark = kBlockMark | static_cast<uint64_t>(rank);
  std::memcpy(reinterpret_cast<void*>(block), &mark, 8);
  return block + 16;
}

bool release(const LaunchConfig& c, uint64_t address) {
  Heap* heap = open_heap(c);
  if (address == 0) return true;
  if (heap == nullptr || address < c.heap_begin + sizeof(Heap) + 16 || address >= c.heap_end ||
      address % 16 != 0)
    return false;
  const HeapLock lock(heap);
  if (address >= heap->top) return false;
  uint64_t mark;
  std::memcpy(&mark, reinterpret_cast<void*>(address - 16), 8);
  const uint64_t rank = mark & 0xff;
  if ((mark & ~0xffull) != kBlockMark || rank >= 48) return false;
  std::memset(reinterpret_cast<void*>(address - 16), 0, 8);
  std::memcpy(reinterpret_cast<void*>(address), &heap->free[rank], 8);
  heap->free[rank] = address - 16;
  return true;
}

// Decides about a conditional node of a graph. The driver's handle is the address of a word of device memory.
const Instr* set_conditional(const Call& call) {
  const uint64_t handle = call.argument(0);
  const uint8_t* word = handle % sizeof(uint32_t) == 0
                            ? readable(call.w, call.ip, handle, call.lane, sizeof(uint32_t))
                            : nullptr;
  if (word == nullptr)
    return call.w.fault(Fault::illegal_address, call.ip, static_cast<uint32_t>(call.lane),
                        "cudaGraphSetConditional of what is no handle");
  std::atomic_ref<uint32_t> value(*reinterpret_cast<uint32_t*>(const_cast<uint8_t*>(word)));
  value.store(static_cast<uint32_t>(call.argument(1)));
  return call.ip + 1;
}

const Instr* one(int builtin, const Call& call) {
  const LaunchConfig& config = *call.w.block->launch->config;
  switch (builtin) {
    case kVprintf:
      return vprintf(call);
    case kAssertFail:
      return assert_fail(call);
    case kMalloc:
      call.result(allocate(config, call.argument(0)));
      return call.ip + 1;
    case kSetConditional:
      return set_conditional(call);
    case kGridHandle:
      call.result(1);
      return call.ip + 1;
    default:
      if (release(config, call.argument(0))) return call.ip + 1;
      return call.w.fault(Fault::illegal_address, call.ip, static_cast<uint32_t>(call.lane),
                          "free of memory that malloc did not return");
  }
}

// The whole grid's barrier. The threads of a block gather first; the last block opens it.
const Instr* grid_synchronize(Warp& w, const Instr* ip, const CallSite& site) {
  each_lane(w.active, [&](int lane) { Call{w, ip, site, lane}.result(0); });
  w.block->arrive(w, kGridBarrier, 0, w.active, true);
  const Instr* next = w.block_group(ip, GroupState::barrier, kGridBarrier);
  w.block->check_barrier(kGridBarrier);
  return next;
}

}  // namespace

int builtin_by_name(std::string_view name) {
  if (name == "vprintf") return kVprintf;
  if (name == "malloc") return kMalloc;
  if (name == "free") return kFree;
  if (name == "__assertfail") return kAssertFail;
  if (name == "cudaCGGetIntrinsicHandle") return kGridHandle;
  if (name == "cudaCGSynchronize") return kGridSynchronize;
  if (name == "cudaGraphSetConditional") return kSetConditional;
  return 0;
}

bool is_malloc(int builtin) { return builtin == kMalloc; }

const Instr* call_builtin(Warp& w, const Instr* ip, const CallSite& site) {
  if (site.builtin == kGridSynchronize) return grid_synchronize(w, ip, site);
  for (uint32_t m = w.active; m != 0; m &= m - 1) {
    if (one(site.builtin, Call{w, ip, site, std::countr_zero(m)}) == nullptr) return nullptr;
  }
  return ip + 1;
}

}  // namespace softgpu
