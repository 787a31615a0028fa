// SPDX-License-Identifier: BSD-3-Clause
#include "shim/handles.h"

#include <sys/mman.h>

namespace shim {
namespace {

constexpr size_t kArenaSize = size_t{4} << 30;  // of addresses; memory comes as it is used

}  // namespace

void* Arena::take(size_t size) {
  const std::lock_guard lock(mutex_);
  if (size_ == 0) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* made = mmap(nullptr, kArenaSize, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    begin_ = reinterpret_cast<uintptr_t>(made);
    size_.store(kArenaSize, std::memory_order_release);
  }
  const size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded > kArenaSize - used_) throw std::bad_alloc();
  void* out = reinterpret_cast<void*>(begin_ + used_);
  used_ += rounded;
  return out;
}

}  // namespace shim
