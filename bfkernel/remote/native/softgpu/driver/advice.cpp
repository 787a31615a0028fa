// SPDX-License-Identifier: BSD-3-Clause
#include "advice.h"

#include <algorithm>

namespace softgpu::driver {

Advice& Advice::instance() {
  static auto* advice = new Advice;
  return *advice;
}

// Afterwards no piece lies on both sides of `at`.
void Advice::split(uint64_t at) {
  auto after = pieces_.upper_bound(at);
  if (after == pieces_.begin()) return;
  auto piece = std::prev(after);
  if (piece->first == at || piece->second.end <= at) return;
  pieces_[at] = piece->second;
  piece->second.end = at;
}

void Advice::change(uint64_t begin, uint64_t end, const std::function<void(Advised&)>& change) {
  std::lock_guard lock(mutex_);
  split(begin);
  split(end);
  uint64_t at = begin;
  for (auto piece = pieces_.lower_bound(begin); at < end; ++piece) {
    uint64_t next = piece == pieces_.end() ? end : std::min(end, piece->first);
    if (at < next) piece = pieces_.emplace(at, Piece{next, {}}).first;
    change(piece->second.advised);
    at = piece->second.end;
  }
}

std::vector<Advised> Advice::of(uint64_t begin, uint64_t end) const {
  std::lock_guard lock(mutex_);
  std::vector<Advised> result;
  auto piece = pieces_.upper_bound(begin);
  if (piece != pieces_.begin() && std::prev(piece)->second.end > begin) --piece;
  uint64_t at = begin;
  for (; at < end && piece != pieces_.end() && piece->first < end; ++piece) {
    if (at < piece->first) result.emplace_back();
    result.push_back(piece->second.advised);
    at = piece->second.end;
  }
  if (at < end) result.emplace_back();
  return result;
}

void Advice::forget(uint64_t begin, uint64_t end) {
  std::lock_guard lock(mutex_);
  split(begin);
  split(end);
  pieces_.erase(pieces_.lower_bound(begin), pieces_.lower_bound(end));
}

}  // namespace softgpu::driver
