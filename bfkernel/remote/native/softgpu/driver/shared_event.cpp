// SPDX-License-Identifier: BSD-3-Clause
#include "shared_event.h"

#include <sys/mman.h>

#include <chrono>
#include <thread>

#include "api.h"

namespace softgpu::driver {

SharedEvent::SharedEvent() : file_(std::make_unique<IpcFile>(sizeof(Counters))) { map(); }

SharedEvent::SharedEvent(std::unique_ptr<IpcFile> file) : file_(std::move(file)) {
  require(file_->size() == sizeof(Counters), CUDA_ERROR_INVALID_HANDLE);
  map();
}

SharedEvent::~SharedEvent() { munmap(counters_, sizeof(Counters)); }

void SharedEvent::map() {
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
  void* place = mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, file_->file(), 0);
  require(place != MAP_FAILED, CUDA_ERROR_MAP_FAILED);
  counters_ = static_cast<Counters*>(place);
}

void SharedEvent::reach(uint64_t recording) {
  uint64_t before = counters_->reached.load();
  while (before < recording && !counters_->reached.compare_exchange_weak(before, recording)) {
  }
}

void SharedEvent::wait() const {
  uint64_t recording = latest();
  while (!reached(recording)) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

}  // namespace softgpu::driver
