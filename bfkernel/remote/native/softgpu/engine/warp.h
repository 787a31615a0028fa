// SPDX-License-Identifier: BSD-3-Clause
// A warp: 32 lanes with their own program counters and call stacks.
//
// Lanes that stand at the same instruction of the same frame form a group and execute together. The group
// that is behind (deepest call, then lowest address) runs first, so that groups meet again where branches
// join; when a group keeps the others waiting for too long (a spin lock), the one that waited longest gets a
// turn regardless. That is what gives every lane progress.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/ir.h"

namespace softgpu {

class Block;

struct Frame {
  const Function* function = nullptr;
  Frame* caller = nullptr;
  const Instr* resume = nullptr;  // where the caller goes on
  const CallSite* site = nullptr;
  uint32_t lanes = 0;  // lanes that are in this frame or in a callee of it
  uint32_t depth = 0;
  uint64_t local_base = 0;  // this frame's variables in each lane's local memory
  uint64_t allocated = 0;   // bytes that alloca took behind them
  std::unique_ptr<uint8_t[]> storage;
  uint8_t* rows = nullptr;  // storage, aligned
  size_t capacity = 0;
};

enum class GroupState : uint8_t {
  ready,
  waiting,  // at a collective instruction, for other lanes to arrive
  barrier,  // at a barrier of the block
};

struct Group {
  const Instr* ip = nullptr;
  Frame* frame = nullptr;
  uint32_t mask = 0;
  uint32_t stamp = 0;  // when it last ran
  GroupState state = GroupState::ready;
  uint8_t barrier = 0;
};

enum class WarpStatus : uint8_t { runnable, blocked, done, faulted };

// A live range of device memory that MemoryMap::find has confirmed.
struct CachedRange {
  uint64_t begin = 1;
  uint64_t end = 0;
};

class Warp {
 public:
  // What handlers read on every instruction comes first.
  const uint8_t* base[2] = {nullptr, nullptr};  // frame rows, constant rows
  const Instr* stop = nullptr;              // the next instruction at which another group of this frame waits
  uint32_t active = 0;                      // lanes that execute
  bool full = false;                        // active == all 32
  int32_t budget = 0;                       // backward jumps left in this turn
  alignas(64) uint32_t lanes[kLanes] = {};  // active as a row: ~0 or 0
  CachedRange ranges[16];                   // per instruction, direct-mapped
  uint8_t* shared = nullptr;                // the block's shared memory
  uint64_t shared_size = 0;
  const uint8_t* params = nullptr;  // the kernel's parameters
  uint64_t params_size = 0;
  uint8_t* local = nullptr;   // lane-major; null until first used
  uint64_t local_stride = 0;  // bytes a lane

  Block* block = nullptr;
  uint32_t index = 0;  // in the block
  uint32_t live = 0;   // lanes that have not exited
  WarpStatus status = WarpStatus::done;
  bool spun = false;  // charge() was called in this turn

  void start(Block* owner, uint32_t warp_index, uint32_t lane_mask, const Function* kernel);
  // One turn: until everything is blocked or gone, or the budget is spent.
  void run();

  // ---- for control-flow handlers ----
  const Instr* jump(const Instr* target, bool backward) {
    if (backward && --budget < 0) return expire(target);
    if (group_count_ > 1) [[unlikely]]
      return arrive(target);
    return target;
  }
  // The lanes in `taken` go to `target`, the others to `next`.
  const Instr* split(uint32_t taken, const Instr* target, const Instr* next);
  const Instr* arrive(const Instr* ip);      // the current group comes to ip: merge, or let another one run
  const Instr* expire(const Instr* resume);  // give up the turn
  const Instr* sleep(const Instr* resume);   // give up the turn, and let other groups of the warp run first
  void leave_behind(uint32_t lanes, const Instr* ip);  // those lanes of the current group stay at ip
  const Instr* call(const Function* callee, const CallSite* site, const Instr* resume);
  const Instr* ret();
  const Instr* exit_lanes();
  // The current group's barrier completed while it arrived; it goes on behind it.
  const Instr* resume_after_barrier() {
    if (group_count_ > 1) return arrive(current_->ip);
    return current_->ip;
  }
  // The current group stays at ip in that state; returns what runs instead (null: nothing here).
  const Instr* block_group(const Instr* ip, GroupState state, uint8_t barrier = 0);
  const Instr* fault(Fault kind, const Instr* ip, uint32_t lane, const std::string& what);
  // The collective at ip needs all these lanes; true if they are all here (or have exited).
  bool all_here(uint32_t needed) const { return (needed & live & ~active) == 0; }
  // Instructions that programs spin on cost more of a turn, and make the block yield its thread sooner.
  // bar.warp.sync: if the lanes missing here wait at a bar.warp.sync elsewhere, lets them go on as well.
  bool join_warp_barrier(uint32_t needed, Handler barrier);
  void charge(int units) {
    budget -= units;
    spun = true;
  }

  // Lanes of groups that wait at barrier `id` go on; `done` sees each group first (to hand out results).
  template <class F>
  void release(uint8_t id, F done) {
    for (int i = 0; i < group_count_; ++i) {
      Group& g = groups_[i];
      if (g.state != GroupState::barrier || g.barrier != id) continue;
      done(g);
      g.state = GroupState::ready;
      ++g.ip;
    }
    if (status == WarpStatus::blocked) status = WarpStatus::runnable;
  }

  void set_active(uint32_t mask) {
    active = mask;
    full = mask == ~0u;
    for (int i = 0; i < kLanes; ++i) lanes[i] = 0u - (mask >> i & 1u);
  }
  Frame* frame() const { return current_->frame; }
  Group& group() { return *current_; }

 private:
  const Instr* select();  // make the group that is behind current; null if none is ready
  const Instr* make_current(int i);
  void set_stop(const Instr* ip);
  void remove_group(int i);
  void wake_waiting();
  Frame* new_frame(const Function* f, Frame* caller);
  void leave_frame(Frame* f, uint32_t lanes_gone);

  std::array<Group, kLanes> groups_;
  int group_count_ = 0;
  Group* current_ = nullptr;
  uint32_t clock_ = 0;
  int expiries_ = 0;
  bool fair_ = false;   // the current group may run past groups that are behind
  int preferred_ = -1;  // group that gets the next turn
  std::vector<std::unique_ptr<Frame>> frames_;
  std::vector<Frame*> free_frames_;
  std::unique_ptr<uint8_t[]> local_storage_;
  uint64_t local_capacity_ = 0;
};

constexpr int kTurn = 512;               // backward jumps in a turn of one warp
constexpr int kTurnsBeforeRotation = 8;  // turns of one group before another one of the warp gets its own
constexpr uint32_t kMaxCallDepth = 512;

// ---- how handlers reach rows ----
template <class T>
inline __attribute__((always_inline)) T* row(Warp& w, uint32_t operand) {
  return reinterpret_cast<T*>(const_cast<uint8_t*>(w.base[operand & 1]) + (operand & ~3u));
}
template <class T>
inline __attribute__((always_inline)) T* destination(Warp& w, uint32_t operand) {
  return reinterpret_cast<T*>(const_cast<uint8_t*>(w.base[0]) + operand);
}
// Calls f(lane) for each active lane.
template <class F>
inline __attribute__((always_inline)) void each_lane(uint32_t mask, F f) {
  for (uint32_t m = mask; m != 0; m &= m - 1) f(std::countr_zero(m));
}

}  // namespace softgpu
