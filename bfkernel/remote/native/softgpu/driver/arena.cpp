// SPDX-License-Identifier: BSD-3-Clause
#include "arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "api.h"

namespace softgpu::driver {
namespace {

constexpr uint64_t kPage = 4096;

constexpr uint64_t round_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }
constexpr uint64_t round_down(uint64_t value, uint64_t unit) { return value / unit * unit; }

}  // namespace

bool Capacity::charge(size_t bytes) {
  size_t used = used_.load();
  do {
    if (bytes > total_ - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

// Twice the capacity in addresses, so that fragmentation does not refuse what the capacity would allow.
bool Arena::reserve() {
  if (reserved_) return true;
  uint64_t size = round_up(capacity_.total() * 2, uint64_t{2} << 20);
  void* base =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return false;
  // A child of fork() has no business with device memory, and a core dump need not hold it.
  madvise(base, size, MADV_DONTFORK);
  madvise(base, size, MADV_DONTDUMP);
  begin_ = reinterpret_cast<uint64_t>(base);
  end_ = begin_ + size;
  insert_free(begin_, end_);
  reserved_ = true;
  return true;
}

uint64_t Arena::allocate(size_t size) {
  size_t rounded = round_up(std::max<size_t>(size, 1), kAlignment);
  if (rounded < size || !capacity_.charge(rounded)) return 0;
  std::lock_guard lock(mutex_);
  auto fit = reserve() ? free_by_size_.lower_bound({rounded, 0}) : free_by_size_.end();
  if (fit == free_by_size_.end()) {
    capacity_.refund(rounded);
    return 0;
  }
  uint64_t begin = fit->second;
  uint64_t end = begin + fit->first;
  erase_free(free_.find(begin));
  if (begin + rounded < end) insert_free(begin + rounded, end);
  return begin;
}

void Arena::free(uint64_t address, size_t size) {
  size_t rounded = round_up(std::max<size_t>(size, 1), kAlignment);
  std::lock_guard lock(mutex_);
  uint64_t begin = address;
  uint64_t end = address + rounded;
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && next->first == end) {
    end = next->second;
    auto merged = next++;
    erase_free(merged);
  }
  if (next != free_.begin()) {
    auto previous = std::prev(next);
    if (previous->second == begin) {
      begin = previous->first;
      erase_free(previous);
    }
  }
  insert_free(begin, end);
  // Pages that this block shared with neighbours can go only once the neighbours are free as well.
  uint64_t first = std::max(round_up(begin, kPage), round_down(address, kPage));
  uint64_t last = std::min(round_down(end, kPage), round_up(address + rounded, kPage));
  if (first < last) {
    madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
    constexpr int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (shared_)
      fallocate(shared_->file(), hole, static_cast<off_t>(first - begin_), static_cast<off_t>(last - first));
  }
  capacity_.refund(rounded);
}

SharedPart Arena::share(uint64_t address, size_t size) {
  std::lock_guard lock(mutex_);
  if (!shared_) shared_ = std::make_shared<IpcFile>(end_ - begin_);
  uint64_t at = round_down(address, kPage);
  uint64_t end = round_up(address + size, kPage);
  while (at < end) {
    auto after = in_file_.upper_bound(at);
    if (after != in_file_.begin() && std::prev(after)->second > at) {
      at = std::prev(after)->second;  // shared before
      continue;
    }
    uint64_t next = after == in_file_.end() ? end : std::min(end, after->first);
    move_to_file(at, next);
    at = next;
  }
  return {shared_, address - begin_};
}

void Arena::move_to_file(uint64_t begin, uint64_t end) {
  for (uint64_t at = begin; at < end;) {
    ssize_t written =
        pwrite(shared_->file(), reinterpret_cast<const void*>(at), end - at, static_cast<off_t>(at - begin_));
    require(written > 0, CUDA_ERROR_OPERATING_SYSTEM);
    at += static_cast<uint64_t>(written);
  }
  void* place = mmap(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED, shared_->file(), static_cast<off_t>(begin - begin_));
  require(place != MAP_FAILED, CUDA_ERROR_OPERATING_SYSTEM);
  madvise(place, end - begin, MADV_DONTFORK);
  madvise(place, end - begin, MADV_DONTDUMP);
  in_file_[begin] = end;
}

void Arena::insert_free(uint64_t begin, uint64_t end) {
  free_.emplace(begin, end);
  free_by_size_.emplace(end - begin, begin);
}

void Arena::erase_free(std::map<uint64_t, uint64_t>::iterator block) {
  free_by_size_.erase({block->second - block->first, block->first});
  free_.erase(block);
}

}  // namespace softgpu::driver
