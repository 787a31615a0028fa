// SPDX-License-Identifier: BSD-3-Clause
// Register rows: liveness over basic blocks, then linear scan over the live intervals.
//
// Rows of different lane widths never share memory. Lanes of a warp that have diverged are at different
// places of the code at once, each using its own column of a row; columns of rows of unequal width would
// overlap.
#include <algorithm>
#include <array>

#include "engine/decoder.h"

namespace softgpu {
namespace {

struct BasicBlock {
  size_t begin = 0;
  size_t end = 0;
  std::vector<size_t> next;
};

class Allocator {
 public:
  Allocator(Function* f, std::vector<Draft>& code, const std::vector<Register>& registers,
            const std::vector<size_t>& labels)
      : f_(f), code_(code), registers_(registers), labels_(labels) {}

  void run(const std::vector<uint32_t>& at_entry, const std::vector<uint32_t>& at_exit) {
    find_blocks();
    find_liveness();
    for (const uint32_t r : at_entry) touch(r / 4, 0);
    for (const uint32_t r : at_exit) {
      touch(r / 4, 0);
      touch(r / 4, code_.size());
    }
    for (const CallSite& site : f_->calls) pin(site);
    assign();
    rewrite();
  }

 private:
  template <class F>
  void each_read(const Draft& d, F f) {
    for (size_t k = 0; k < 6; ++k) {
      if (d.reads >> k & 1) f(d.ins.o[k] / 4);
    }
    for (size_t k = d.wide_defines; k < d.wide.size(); ++k) {
      if ((d.wide[k] & kInConstants) == 0) f(d.wide[k] / 4);
    }
    if (d.ins.guard != kNoOperand) f(d.ins.guard / 4);
  }
  template <class F>
  void each_write(const Draft& d, F f) {
    for (size_t k = 0; k < 6; ++k) {
      if (d.defines >> k & 1) f(d.ins.o[k] / 4);
    }
    for (size_t k = 0; k < d.wide_defines; ++k) f(d.wide[k] / 4);
  }

  void find_blocks() {
    const size_t count = code_.size();
    std::vector<char> leader(count + 1, 0);
    leader[0] = 1;
    for (const size_t at : labels_) leader[at] = 1;
    for (size_t i = 0; i < count; ++i) {
      if (code_[i].flow) leader[i + 1] = 1;
    }
    block_of_.resize(count + 1);
    for (size_t i = 0; i < count; ++i) {
      if (leader[i]) {
        blocks_.emplace_back();
        blocks_.back().begin = i;
      }
      blocks_.back().end = i + 1;
      block_of_[i] = blocks_.size() - 1;
    }
    for (size_t b = 0; b < blocks_.size(); ++b) {
      const Draft& last = code_[blocks_[b].end - 1];
      if (last.target >= 0) blocks_[b].next.push_back(block_of_[labels_[static_cast<size_t>(last.target)]]);
      for (const int l : last.table) blocks_[b].next.push_back(block_of_[labels_[static_cast<size_t>(l)]]);
      if (!last.ends && b + 1 < blocks_.size()) blocks_[b].next.push_back(b + 1);
    }
  }

  void find_liveness() {
    const size_t words = (registers_.size() + 63) / 64;
    using Bits = std::vector<uint64_t>;
    const size_t n = blocks_.size();
    std::vector<Bits> reads(n, Bits(words)), writes(n, Bits(words)), in(n, Bits(words)), out(n, Bits(words));
    first_.assign(registers_.size(), SIZE_MAX);
    last_.assign(registers_.size(), 0);
    for (size_t b = 0; b < n; ++b) {
      for (size_t i = blocks_[b].begin; i < blocks_[b].end; ++i) {
        const Draft& d = code_[i];
        each_read(d, [&](size_t r) {
          touch(r, i);
          if (!(writes[b][r / 64] >> (r % 64) & 1)) reads[b][r / 64] |= 1ull << (r % 64);
        });
        each_write(d, [&](size_t r) {
          touch(r, i);
          // A guarded write leaves the old value in some lanes, so it does not end the old value's life.
          if (d.ins.guard == kNoOperand)
            writes[b][r / 64] |= 1ull << (r % 64);
          else if (!(writes[b][r / 64] >> (r % 64) & 1))
            reads[b][r / 64] |= 1ull << (r % 64);
        });
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t b = n; b-- > 0;) {
        for (const size_t s : blocks_[b].next) {
          for (size_t w = 0; w < words; ++w) out[b][w] |= in[s][w];
        }
        for (size_t w = 0; w < words; ++w) {
          const uint64_t live = reads[b][w] | (out[b][w] & ~writes[b][w]);
          if (live != in[b][w]) {
            in[b][w] = live;
            changed = true;
          }
        }
      }
    }
    for (size_t b = 0; b < n; ++b) {
      for (size_t w = 0; w < words; ++w) {
        for (uint64_t m = in[b][w]; m != 0; m &= m - 1)
          touch(w * 64 + static_cast<size_t>(__builtin_ctzll(m)), blocks_[b].begin);
        for (uint64_t m = out[b][w]; m != 0; m &= m - 1)
          touch(w * 64 + static_cast<size_t>(__builtin_ctzll(m)), blocks_[b].end - 1);
      }
    }
  }

  void touch(size_t r, size_t at) {
    first_[r] = std::min(first_[r], at);
    last_[r] = std::max(last_[r], at);
  }

  // Registers that a call passes by row are read and written outside of the instruction; keep them for good.
  void pin(const CallSite& site) {
    const auto keep = [&](const std::vector<Slot>& slots) {
      for (const Slot& s : slots) {
        if (s.row == kNoOperand || (s.row & kInConstants)) continue;
        touch(s.row / 4, 0);
        touch(s.row / 4, code_.size());
      }
    };
    keep(site.args);
    keep(site.results);
  }

  static size_t class_of(uint32_t bytes) { return bytes <= 2 ? 0 : bytes == 4 ? 1 : bytes == 8 ? 2 : 3; }

  void assign() {
    std::vector<size_t> order;
    for (size_t r = 0; r < registers_.size(); ++r) {
      if (first_[r] != SIZE_MAX) order.push_back(r);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return first_[a] < first_[b]; });
    std::array<std::vector<uint32_t>, 4> free;
    std::array<std::vector<size_t>, 4> active;  // min-heaps by end of life
    const auto later = [&](size_t a, size_t b) { return last_[a] > last_[b]; };
    slot_.assign(registers_.size(), 0);
    for (const size_t r : order) {
      const size_t c = class_of(registers_[r].bytes);
      while (!active[c].empty() && last_[active[c].front()] < first_[r]) {
        std::pop_heap(active[c].begin(), active[c].end(), later);
        free[c].push_back(slot_[active[c].back()]);
        active[c].pop_back();
      }
      if (free[c].empty()) {
        slot_[r] = count_[c]++;
      } else {
        slot_[r] = free[c].back();
        free[c].pop_back();
      }
      active[c].push_back(r);
      std::push_heap(active[c].begin(), active[c].end(), later);
    }
  }

  uint32_t place(uint32_t operand) const {
    if (operand == kNoOperand || (operand & kInConstants)) return operand;
    const size_t r = operand / 4;
    const size_t c = class_of(registers_[r].bytes);
    static constexpr uint32_t row_bytes[4] = {64, 128, 256, 512};
    uint32_t base = 0;
    for (size_t k = 0; k < c; ++k) base += count_[k] * row_bytes[k];
    return base + slot_[r] * row_bytes[c];
  }

  void rewrite() {
    for (Draft& d : code_) {
      for (size_t k = 0; k < 6; ++k) {
        if ((d.defines | d.reads) >> k & 1) d.ins.o[k] = place(d.ins.o[k]);
      }
      if (d.ins.guard != kNoOperand) d.ins.guard = place(d.ins.guard & ~3u) | (d.ins.guard & kNegated);
      if (!d.wide.empty()) {
        auto wide = std::make_unique<std::vector<uint32_t>>();
        for (const uint32_t o : d.wide) wide->push_back(place(o));
        d.ins.more = wide->data();
        f_->wide_operands.push_back(std::move(wide));
      }
      f_->code.push_back(d.ins);
    }
    const auto slots = [&](std::vector<Slot>& list) {
      for (Slot& s : list) s.row = place(s.row);
    };
    for (CallSite& site : f_->calls) {
      slots(site.args);
      slots(site.results);
    }
    slots(f_->params);
    slots(f_->results);
    f_->frame_bytes = 64 * count_[0] + 128 * count_[1] + 256 * count_[2] + 512 * count_[3] + 64;
    const uint32_t units = (count_[0] + 1) / 2 + count_[1] + 2 * count_[2] + 4 * count_[3];
    f_->info.registers = static_cast<int>(std::clamp(units, 8u, 255u));
  }

  Function* f_;
  std::vector<Draft>& code_;
  const std::vector<Register>& registers_;
  const std::vector<size_t>& labels_;
  std::vector<BasicBlock> blocks_;
  std::vector<size_t> block_of_;
  std::vector<size_t> first_, last_;
  std::vector<uint32_t> slot_;
  std::array<uint32_t, 4> count_ = {0, 0, 0, 0};
};

}  // namespace

void allocate_registers(Function* f, std::vector<Draft>& code, const std::vector<Register>& registers,
                        const std::vector<size_t>& labels, const std::vector<uint32_t>& entry_registers,
                        const std::vector<uint32_t>& result_registers) {
  Allocator(f, code, registers, labels).run(entry_registers, result_registers);
}

}  // namespace softgpu
