// SPDX-License-Identifier: BSD-3-Clause
#include "worker/staging.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "worker/host_functions.h"

namespace worker {

PinnedMemory::PinnedMemory(const DriverTable& driver, std::size_t size, unsigned ended_contexts)
    : driver_(driver), size_(size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(memory);
  pinned_at_ = ended_contexts;
  call(driver_.cuMemHostRegister_v2, data_, size_, CU_MEMHOSTREGISTER_PORTABLE);
}

PinnedMemory::~PinnedMemory() {
  call(driver_.cuMemHostUnregister, data_);
  munmap(data_, size_);
}

// What is still registered the driver refuses to register, and nothing is lost.
void PinnedMemory::pin(unsigned ended_contexts) {
  if (pinned_at_ == ended_contexts) return;
  pinned_at_ = ended_contexts;
  call(driver_.cuMemHostRegister_v2, data_, size_, CU_MEMHOSTREGISTER_PORTABLE);
}

UploadRing::~UploadRing() {
  for (Buffer& buffer : buffers_) clear(buffer);
  for (Buffer& buffer : aside_) clear(buffer);
  if (abandoned_) return;
  for (CUevent event : spare_events_) call(driver_.cuEventDestroy_v2, event);
}

UploadRing::Room UploadRing::room(std::size_t wanted) {
  if (buffers_[at_].used == kSize) advance();
  Buffer& buffer = buffers_[at_];
  if (!buffer.memory) buffer.memory = std::make_unique<PinnedMemory>(driver_, kSize);
  return {buffer.memory->data() + buffer.used, std::min(wanted, kSize - buffer.used)};
}

void UploadRing::commit(std::size_t size, CUstream stream) {
  Buffer& buffer = buffers_[at_];
  // Copies start at multiples of a cache line, for the sake of the DMA engine.
  buffer.used = std::min(kSize, (buffer.used + size + 63) & ~std::size_t{63});
  const bool known = std::any_of(buffer.uses.begin(), buffer.uses.end(),
                                 [&](const Use& use) { return use.stream == stream && !use.recorded; });
  if (known) return;
  CUevent event = nullptr;
  if (!spare_events_.empty()) {
    event = spare_events_.back();
    spare_events_.pop_back();
  } else {
    call(driver_.cuEventCreate, &event, static_cast<unsigned>(CU_EVENT_DISABLE_TIMING));
  }
  buffer.uses.push_back({stream, event, false});
}

void UploadRing::forget(CUstream stream) {
  for (Use& use : buffers_[at_].uses) {
    if (use.stream == stream) record(use);
  }
}

void UploadRing::seal() {
  for (Use& use : buffers_[at_].uses) record(use);
}

void UploadRing::record(Use& use) {
  if (!use.recorded) call(driver_.cuEventRecord, use.event, use.stream);
  use.recorded = true;
}

void UploadRing::advance() {
  for (Use& use : buffers_[at_].uses) record(use);
  at_ = (at_ + 1) % kBuffers;
  Buffer& buffer = buffers_[at_];
  if (HostFunctions::in_use() && !ready(buffer)) return set_aside(buffer);
  for (const Use& use : buffer.uses) call(driver_.cuEventSynchronize, use.event);
  clear(buffer);
}

bool UploadRing::ready(const Buffer& buffer) const {
  return std::none_of(buffer.uses.begin(), buffer.uses.end(), [this](const Use& use) {
    return call(driver_.cuEventQuery, use.event) == CUDA_ERROR_NOT_READY;
  });
}

void UploadRing::clear(Buffer& buffer) {
  for (const Use& use : buffer.uses) spare_events_.push_back(use.event);
  buffer.uses.clear();
  buffer.used = 0;
}

// What the GPU waits for may need another call of the client's, so this thread does not wait for the GPU: it
// takes another buffer. What is set aside has a limit, and beyond that there is nothing but to wait.
void UploadRing::set_aside(Buffer& buffer) {
  auto done = std::find_if(aside_.begin(), aside_.end(), [this](const Buffer& one) { return ready(one); });
  if (done == aside_.end() && aside_.size() == kMostAside) {
    for (const Use& use : aside_.front().uses) call(driver_.cuEventSynchronize, use.event);
    done = aside_.begin();
  }
  if (done == aside_.end()) done = aside_.emplace(aside_.end());
  clear(*done);
  std::swap(*done, buffer);
}

CUevent EventPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      CUevent event = spare_.back();
      spare_.pop_back();
      return event;
    }
  }
  CUevent event = nullptr;
  call(driver_.cuEventCreate, &event, static_cast<unsigned>(CU_EVENT_DISABLE_TIMING));
  return event;
}

void EventPool::give(CUevent event) {
  const std::lock_guard lock(mutex_);
  spare_.push_back(event);
}

std::unique_ptr<PinnedMemory> DownloadBuffers::take(std::size_t size) {
  const unsigned ended_contexts = ended_contexts_;
  if (size > kLarge) return std::make_unique<PinnedMemory>(driver_, size, ended_contexts);
  const bool small = size <= kSmall;
  auto& kept = small ? small_ : large_;
  std::size_t& count = small ? small_count_ : large_count_;
  const std::size_t large = HostFunctions::in_use() ? kMostLargeWithHostFunctions : kMostLarge;
  const std::size_t most = small ? kMostSmall : large;
  std::unique_lock lock(mutex_);
  back_.wait(lock, [&] { return !kept.empty() || count < most; });
  if (!kept.empty()) {
    auto buffer = std::move(kept.back());
    kept.pop_back();
    lock.unlock();
    buffer->pin(ended_contexts);
    return buffer;
  }
  ++count;
  lock.unlock();
  return std::make_unique<PinnedMemory>(driver_, small ? kSmall : kLarge, ended_contexts);
}

void DownloadBuffers::give(std::unique_ptr<PinnedMemory> buffer) {
  if (buffer->size() > kLarge) return;
  const std::lock_guard lock(mutex_);
  (buffer->size() <= kSmall ? small_ : large_).push_back(std::move(buffer));
  back_.notify_one();
}

}  // namespace worker
