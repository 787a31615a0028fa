// SPDX-License-Identifier: BSD-3-Clause
#include "worker/staging.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "worker/host_functions.h"

namespace worker {

Registration::~Registration() {
  if (memory_ != nullptr) call(driver_.cuMemHostUnregister, memory_);
}

// What is still registered the driver refuses to register, and nothing is lost.
void Registration::renew(std::span<std::byte> memory, unsigned ended_contexts) {
  if (memory_ != nullptr && made_at_ == ended_contexts) return;
  memory_ = memory.data();
  made_at_ = ended_contexts;
  call(driver_.cuMemHostRegister_v2, memory_, memory.size(), CU_MEMHOSTREGISTER_PORTABLE);
}

PinnedMemory::PinnedMemory(const DriverTable& driver, std::size_t size, unsigned ended_contexts)
    : size_(size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(memory);
  registration_.emplace(driver);
  pin(ended_contexts);
}

PinnedMemory::~PinnedMemory() {
  registration_.reset();
  munmap(data_, size_);
}

UploadPieces::~UploadPieces() {
  if (abandoned_) return;
  busy_.push_back(std::move(filling_));
  for (const Piece& piece : busy_)
    for (const Use& use : piece.uses) call(driver_.cuEventDestroy_v2, use.event);
  for (CUevent event : spare_events_) call(driver_.cuEventDestroy_v2, event);
}

UploadPieces::Room UploadPieces::room(std::size_t wanted) {
  if (filling_.data == nullptr || filling_.used == kSize) advance();
  return {filling_.data + filling_.used, std::min(wanted, kSize - filling_.used)};
}

void UploadPieces::commit(std::size_t size, CUstream stream) {
  // Copies start at multiples of a cache line, for the sake of the DMA engine.
  filling_.used = std::min(kSize, (filling_.used + size + 63) & ~std::size_t{63});
  const bool known = std::any_of(filling_.uses.begin(), filling_.uses.end(),
                                 [&](const Use& use) { return use.stream == stream && !use.recorded; });
  if (known) return;
  CUevent event = nullptr;
  if (!spare_events_.empty()) {
    event = spare_events_.back();
    spare_events_.pop_back();
  } else {
    call(driver_.cuEventCreate, &event, static_cast<unsigned>(CU_EVENT_DISABLE_TIMING));
  }
  filling_.uses.push_back({stream, event, false});
}

void UploadPieces::forget(CUstream stream) {
  for (Use& use : filling_.uses) {
    if (use.stream == stream) record(use);
  }
}

void UploadPieces::seal() {
  for (Use& use : filling_.uses) record(use);
}

void UploadPieces::record(Use& use) {
  if (!use.recorded) call(driver_.cuEventRecord, use.event, use.stream);
  use.recorded = true;
}

void UploadPieces::advance() {
  seal();
  if (filling_.data != nullptr) busy_.push_back(std::exchange(filling_, {}));
  while (!busy_.empty() && ready(busy_.front())) collect(busy_.begin());
  if (free_.empty() && !grow()) collect_ready();
  filling_ = std::move(free_.back());
  free_.pop_back();
}

// More pieces: false where there are enough.
bool UploadPieces::grow() {
  if (pinned_.size() >= (HostFunctions::in_use() ? kMostPinnedWithHostFunctions : kMostPinned)) return false;
  pinned_.push_back(std::make_unique<PinnedMemory>(driver_, kPinnedAtOnce));
  for (std::size_t at = 0; at < kPinnedAtOnce; at += kSize)
    free_.push_back({pinned_.back()->data() + at, 0, {}});
  return true;
}

bool UploadPieces::ready(const Piece& piece) const {
  return std::none_of(piece.uses.begin(), piece.uses.end(), [this](const Use& use) {
    return call(driver_.cuEventQuery, use.event) == CUDA_ERROR_NOT_READY;
  });
}

// At least one piece: one of another stream than the oldest, if the GPU is done with any, else the oldest.
void UploadPieces::collect_ready() {
  auto piece = std::find_if(busy_.begin(), busy_.end(), [this](const Piece& one) { return ready(one); });
  if (piece == busy_.end()) {
    piece = busy_.begin();
    for (const Use& use : piece->uses) call(driver_.cuEventSynchronize, use.event);
  }
  collect(piece);
}

void UploadPieces::collect(std::deque<Piece>::iterator piece) {
  for (const Use& use : piece->uses) spare_events_.push_back(use.event);
  free_.push_back({piece->data, 0, {}});
  busy_.erase(piece);
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

DownloadBuffers::Kept* DownloadBuffers::kept_for(std::size_t size) {
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [size](const Kept& kept) { return size <= kept.size; });
  return found == kept_.end() ? nullptr : &*found;
}

std::shared_ptr<PinnedMemory> DownloadBuffers::lend(std::size_t size) {
  return {take(size).release(),
          [this](PinnedMemory* buffer) { give(std::unique_ptr<PinnedMemory>(buffer)); }};
}

std::unique_ptr<PinnedMemory> DownloadBuffers::take(std::size_t size) {
  const unsigned ended_contexts = ended_contexts_;
  Kept* kept = kept_for(size);
  if (kept == nullptr) return std::make_unique<PinnedMemory>(driver_, size, ended_contexts);
  const std::size_t most = HostFunctions::in_use() ? kept->most_with_host_functions : kept->most;
  std::unique_lock lock(mutex_);
  back_.wait(lock, [&] { return !kept->idle.empty() || kept->count < most; });
  if (!kept->idle.empty()) {
    auto buffer = std::move(kept->idle.back());
    kept->idle.pop_back();
    lock.unlock();
    buffer->pin(ended_contexts);
    return buffer;
  }
  ++kept->count;
  lock.unlock();
  return std::make_unique<PinnedMemory>(driver_, kept->size, ended_contexts);
}

void DownloadBuffers::give(std::unique_ptr<PinnedMemory> buffer) {
  Kept* kept = kept_for(buffer->size());
  if (kept == nullptr) return;
  const std::lock_guard lock(mutex_);
  kept->idle.push_back(std::move(buffer));
  back_.notify_all();
}

}  // namespace worker
