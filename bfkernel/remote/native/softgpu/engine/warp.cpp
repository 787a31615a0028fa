// SPDX-License-Identifier: BSD-3-Clause
#include "engine/warp.h"

#include <algorithm>
#include <cstring>

#include "engine/block.h"

namespace softgpu {

void Warp::start(Block* owner, uint32_t warp_index, uint32_t lane_mask, const Function* kernel) {
  block = owner;
  index = warp_index;
  live = lane_mask;
  status = WarpStatus::runnable;
  const Launch& launch = *owner->launch;
  base[1] = launch.constants;
  shared = owner->shared.data();
  shared_size = launch.shared_bytes;
  params = launch.params.data();
  params_size = launch.params.size();
  for (CachedRange& r : ranges) r = {};
  const uint64_t need = launch.local_bytes * kLanes;
  if (local_capacity_ < need) {
    local_storage_ = std::make_unique<uint8_t[]>(need + 64);
    local_capacity_ = need;
  }
  local =
      reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(local_storage_.get()) + 63) & ~uintptr_t{63});
  local_stride = launch.local_bytes;
  free_frames_.clear();
  for (auto& f : frames_) free_frames_.push_back(f.get());
  fair_ = false;
  preferred_ = -1;
  expiries_ = 0;
  group_count_ = 1;
  Frame* f = new_frame(kernel, nullptr);
  f->lanes = lane_mask;
  groups_[0] = Group{kernel->code.data(), f, lane_mask, 0, GroupState::ready, 0};
  current_ = &groups_[0];
}

void Warp::run() {
  budget = kTurn;
  const Instr* ip =
      preferred_ >= 0 && preferred_ < group_count_ && groups_[preferred_].state == GroupState::ready
          ? make_current(preferred_)
          : select();
  preferred_ = -1;
  while (ip != nullptr) {
    ip = ip->fn(*this, ip);
    if (ip == stop && ip != nullptr) [[unlikely]]
      ip = arrive(ip);
  }
}

const Instr* Warp::make_current(int i) {
  current_ = &groups_[i];
  current_->stamp = ++clock_;
  for (int k = 0; k < group_count_; ++k) {
    const Group& g = groups_[k];
    if (&g == current_ || g.frame != current_->frame || g.ip != current_->ip ||
        g.state == GroupState::barrier)
      continue;
    current_->mask |= g.mask;
    remove_group(k--);
  }
  base[0] = current_->frame->rows;
  set_active(current_->mask);
  set_stop(current_->ip);
  return current_->ip;
}

void Warp::set_stop(const Instr* ip) {
  stop = nullptr;
  for (int i = 0; i < group_count_; ++i) {
    const Group& g = groups_[i];
    if (&g == current_ || g.frame != current_->frame || g.state == GroupState::barrier) continue;
    if (g.ip > ip && (stop == nullptr || g.ip < stop)) stop = g.ip;
  }
}

const Instr* Warp::select() {
  fair_ = false;
  int best = -1;
  for (int i = 0; i < group_count_; ++i) {
    const Group& g = groups_[i];
    if (g.state != GroupState::ready) continue;
    if (best < 0) {
      best = i;
      continue;
    }
    const Group& b = groups_[best];
    if (g.frame->depth > b.frame->depth || (g.frame->depth == b.frame->depth && g.ip < b.ip)) best = i;
  }
  if (best < 0) {
    status = group_count_ == 0 ? WarpStatus::done : WarpStatus::blocked;
    return nullptr;
  }
  return make_current(best);
}

void Warp::remove_group(int i) {
  const int last = --group_count_;
  if (i == last) return;
  groups_[i] = groups_[last];
  if (current_ == &groups_[last]) current_ = &groups_[i];
}

const Instr* Warp::arrive(const Instr* ip) {
  bool behind = false;
  for (int i = 0; i < group_count_; ++i) {
    Group& g = groups_[i];
    if (&g == current_ || g.state == GroupState::barrier) continue;
    if (g.frame == current_->frame && g.ip == ip) {
      current_->mask |= g.mask;
      remove_group(i--);
      expiries_ = 0;
      fair_ = false;
      continue;
    }
    if (g.state != GroupState::ready) continue;
    const uint32_t mine = current_->frame->depth;
    behind = behind || g.frame->depth > mine || (g.frame->depth == mine && g.ip < ip);
  }
  current_->ip = ip;
  if (behind && !fair_) return select();
  set_active(current_->mask);
  set_stop(ip);
  return ip;
}

const Instr* Warp::split(uint32_t taken, const Instr* target, const Instr* next) {
  const bool forward = target > next;
  Group& other = groups_[group_count_++];
  other = *current_;
  other.state = GroupState::ready;
  other.mask = forward ? taken : current_->mask & ~taken;
  other.ip = forward ? target : next;
  other.stamp = clock_;
  current_->mask &= ~other.mask;
  const Instr* ip = forward ? next : target;
  if (!forward && --budget < 0) {
    set_active(current_->mask);
    return expire(ip);
  }
  return arrive(ip);
}

const Instr* Warp::expire(const Instr* resume) {
  current_->ip = resume;
  const int here = static_cast<int>(current_ - groups_.data());
  preferred_ = here;
  if (group_count_ > 1 && ++expiries_ >= kTurnsBeforeRotation) {
    expiries_ = 0;
    int oldest = here;
    for (int i = 0; i < group_count_; ++i) {
      if (groups_[i].state == GroupState::ready && i != here &&
          (oldest == here || groups_[i].stamp < groups_[oldest].stamp))
        oldest = i;
    }
    preferred_ = oldest;
    fair_ = oldest != here;
  }
  return nullptr;
}

const Instr* Warp::sleep(const Instr* resume) {
  expiries_ = kTurnsBeforeRotation;
  return expire(resume);
}

void Warp::leave_behind(uint32_t staying, const Instr* ip) {
  Group& other = groups_[group_count_++];
  other = *current_;
  other.mask = staying;
  other.ip = ip;
  current_->mask &= ~staying;
  set_active(current_->mask);
}

const Instr* Warp::block_group(const Instr* ip, GroupState state, uint8_t barrier) {
  current_->ip = ip;
  current_->state = state;
  current_->barrier = barrier;
  expiries_ = 0;
  return select();
}

bool Warp::join_warp_barrier(uint32_t needed, Handler barrier) {
  uint32_t here = active;
  for (int i = 0; i < group_count_; ++i) {
    const Group& g = groups_[i];
    if (&g != current_ && g.state == GroupState::waiting && g.ip->fn == barrier) here |= g.mask;
  }
  if ((needed & live & ~here) != 0) return false;
  for (int i = 0; i < group_count_; ++i) {
    Group& g = groups_[i];
    if (&g == current_ || g.state != GroupState::waiting || g.ip->fn != barrier || (g.mask & needed) == 0)
      continue;
    g.state = GroupState::ready;
    ++g.ip;
  }
  return true;
}

void Warp::wake_waiting() {
  for (int i = 0; i < group_count_; ++i) {
    if (groups_[i].state == GroupState::waiting) groups_[i].state = GroupState::ready;
  }
}

const Instr* Warp::exit_lanes() {
  const uint32_t gone = current_->mask;
  live &= ~gone;
  leave_frame(current_->frame, gone);
  remove_group(static_cast<int>(current_ - groups_.data()));
  expiries_ = 0;
  wake_waiting();
  block->lanes_exited(static_cast<uint32_t>(std::popcount(gone)));
  return select();
}

const Instr* Warp::fault(Fault kind, const Instr* ip, uint32_t lane, const std::string& what) {
  status = WarpStatus::faulted;
  const Function* f = current_->frame->function;
  const LaunchConfig& config = *block->launch->config;
  const uint64_t linear = uint64_t{index} * kLanes + lane;
  const uint64_t x = linear % config.block[0];
  const uint64_t y = linear / config.block[0] % config.block[1];
  const uint64_t z = linear / config.block[0] / config.block[1];
  const auto triple = [](uint64_t a, uint64_t b, uint64_t c) {
    return "(" + std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(c) + ")";
  };
  FaultReport report;
  report.fault = kind;
  report.detail = what + " (" + f->mnemonics[ip->name] + ", line " + std::to_string(ip->line) +
                  ") in kernel " + block->launch->kernel->name + ", block " +
                  triple(block->id[0], block->id[1], block->id[2]) + ", thread " + triple(x, y, z);
  block->launch->report(std::move(report));
  return nullptr;
}

// ---- frames ----

Frame* Warp::new_frame(const Function* f, Frame* caller) {
  Frame* frame = nullptr;
  for (size_t i = free_frames_.size(); i-- > 0 && frame == nullptr;) {
    if (free_frames_[i]->capacity >= f->frame_bytes) {
      frame = free_frames_[i];
      free_frames_.erase(free_frames_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (frame == nullptr) {
    frames_.push_back(std::make_unique<Frame>());
    frame = frames_.back().get();
    frame->capacity = f->frame_bytes;
    frame->storage = std::make_unique<uint8_t[]>(f->frame_bytes + 64);
    frame->rows =
        reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(frame->storage.get()) + 63) & ~uintptr_t{63});
  }
  frame->function = f;
  frame->caller = caller;
  frame->depth = caller == nullptr ? 0 : caller->depth + 1;
  frame->local_base =
      caller == nullptr ? 0 : caller->local_base + caller->function->local_bytes + caller->allocated;
  frame->allocated = 0;
  frame->site = nullptr;
  frame->resume = nullptr;
  return frame;
}

void Warp::leave_frame(Frame* f, uint32_t gone) {
  for (; f != nullptr; f = f->caller) {
    f->lanes &= ~gone;
    if (f->lanes == 0) free_frames_.push_back(f);
  }
}

namespace {

// Arguments and results are bytes in each lane's local memory, or register rows where the callee says so.
void copy_slots(Warp& w, const std::vector<Slot>& from, uint64_t from_base, const uint8_t* from_rows,
                const std::vector<Slot>& to, uint64_t to_base, uint8_t* to_rows) {
  const size_t count = std::min(from.size(), to.size());
  for (size_t k = 0; k < count; ++k) {
    const Slot& s = from[k];
    const Slot& d = to[k];
    const size_t size = std::min(s.size, d.size);
    each_lane(w.active, [&](int i) {
      uint8_t* lane = w.local + static_cast<uint64_t>(i) * w.local_stride;
      const uint8_t* source = s.row == kNoOperand ? lane + from_base + s.offset
                              : s.row & kInConstants
                                  ? w.base[1] + (s.row & ~3u) + static_cast<size_t>(i) * s.size
                                  : from_rows + s.row + static_cast<size_t>(i) * s.size;
      uint8_t* target =
          d.row == kNoOperand ? lane + to_base + d.offset : to_rows + d.row + static_cast<size_t>(i) * d.size;
      std::memcpy(target, source, size);
    });
  }
}

}  // namespace

const Instr* Warp::call(const Function* callee, const CallSite* site, const Instr* resume) {
  Frame* caller = current_->frame;
  const Instr* here = resume - 1;
  const uint64_t callee_base = caller->local_base + caller->function->local_bytes + caller->allocated;
  if (caller->depth >= kMaxCallDepth || callee_base + callee->local_bytes > local_stride) {
    return fault(Fault::illegal_address, here, static_cast<uint32_t>(std::countr_zero(active)),
                 "the call stack overflows");
  }
  Frame* frame = new_frame(callee, caller);
  frame->lanes = active;
  frame->resume = resume;
  frame->site = site;
  copy_slots(*this, site->args, caller->local_base, caller->rows, callee->params, frame->local_base,
             frame->rows);
  current_->frame = frame;
  base[0] = frame->rows;
  if (group_count_ > 1) return arrive(callee->code.data());
  return jump(callee->code.data(), true);
}

const Instr* Warp::ret() {
  Frame* frame = current_->frame;
  Frame* caller = frame->caller;
  if (caller == nullptr) return exit_lanes();
  copy_slots(*this, frame->function->results, frame->local_base, frame->rows, frame->site->results,
             caller->local_base, caller->rows);
  const Instr* resume = frame->resume;
  frame->lanes &= ~active;
  if (frame->lanes == 0) free_frames_.push_back(frame);
  current_->frame = caller;
  base[0] = caller->rows;
  stop = nullptr;
  if (group_count_ > 1) return arrive(resume);
  return resume;
}

}  // namespace softgpu
