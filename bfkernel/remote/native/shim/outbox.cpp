// SPDX-License-Identifier: BSD-3-Clause
#include "shim/outbox.h"

#include <pthread.h>
#include <signal.h>

#include <array>
#include <cstring>
#include <exception>
#include <utility>

#include "shim/log.h"
#include "shim/transport.h"
#include "wire/frame.h"

namespace shim {
namespace {

constexpr size_t kQueueLimit =
    size_t{8} << 20;  // beyond it the caller writes itself: the program cannot run ahead for ever
constexpr size_t kBulk = size_t{64} << 10;  // payloads from here on are written from where they lie

void append(std::vector<std::byte>& queue, wire::Bytes bytes) {
  queue.insert(queue.end(), bytes.begin(), bytes.end());
}

void add_flag(std::span<std::byte> frame, uint16_t flag) {
  std::byte* const at = frame.data() + offsetof(wire::FrameHeader, flags);
  uint16_t flags = 0;
  std::memcpy(&flags, at, sizeof flags);
  flags |= flag;
  std::memcpy(at, &flags, sizeof flags);
}

}  // namespace

Outbox::Outbox(wire::Channel& channel, std::function<void(Pending&)> expect,
               std::function<void(const std::string&)> failed)
    : channel_(channel),
      queues_(!channel.writes_are_cheap()),
      expect_(std::move(expect)),
      failed_(std::move(failed)) {
  if (queues_) start_sender();
}

Outbox::~Outbox() {
  {
    const std::lock_guard lock(queue_mutex_);
    closing_ = true;
  }
  queue_filled_.notify_one();
  if (sender_thread_.joinable()) sender_thread_.join();
}

// The program's signals are for its own threads.
void Outbox::start_sender() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  sender_thread_ = std::thread([this] { sender(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

uint64_t Outbox::put(std::span<std::byte> frame, wire::Bytes tail, Pending* pending) {
  if (!queues_ || tail.size() >= kBulk) {
    const std::lock_guard lock(write_mutex_);
    return write(frame, tail, pending);
  }
  if (pending) {
    const std::unique_lock lock(write_mutex_, std::try_to_lock);
    if (lock) return write(frame, tail, pending);
  }
  std::unique_lock lock(queue_mutex_);
  // Who waits puts in little, and has to come to reading: it must not wait for who writes.
  if (pending || queue_.size() <= kQueueLimit) return enqueue(std::move(lock), frame, tail, pending);
  lock.unlock();
  const std::lock_guard write_lock(write_mutex_);
  return write(frame, tail, pending);
}

// With queue_mutex_ in `lock`.
uint64_t Outbox::enqueue(std::unique_lock<std::mutex> lock, std::span<std::byte> frame, wire::Bytes tail,
                         Pending* pending) {
  const uint64_t sequence = number(frame, pending);
  append(queue_, frame);
  append(queue_, tail);
  rhythm_.beat();
  if (!std::exchange(sender_sleeps_, false)) return sequence;
  lock.unlock();
  queue_filled_.notify_one();
  return sequence;
}

// Writes the queue and this frame. Under write_mutex_.
uint64_t Outbox::write(std::span<std::byte> frame, wire::Bytes tail, Pending* pending) {
  uint64_t sequence = 0;
  {
    std::unique_lock lock(queue_mutex_, std::defer_lock);
    if (queues_) {
      lock.lock();
      writing_.swap(queue_);
    }
    sequence = number(frame, pending);
  }
  const bool striped = tail.size() >= wire::kStripedLeast && stripes();
  if (striped) {
    add_flag(frame, wire::kFlagStriped);
    log::count_striped(tail.size());
  }
  constexpr size_t kHeader = sizeof(wire::FrameHeader);
  std::array<iovec, 4> parts{iovec{writing_.data(), writing_.size()}, iovec{frame.data(), kHeader},
                             iovec{frame.data() + kHeader, frame.size() - kHeader},
                             iovec{const_cast<std::byte*>(tail.data()), tail.size()}};
  write_parts(parts, striped ? 2 : parts.size());
  return sequence;
}

// Not an increment that is atomic by itself: it would cost every call.
uint64_t Outbox::number(std::span<std::byte> frame, Pending* pending) {
  const uint64_t sequence = latest() + 1;
  sequence_.store(sequence, std::memory_order_relaxed);
  const uint32_t name = name_on_wire(sequence);
  std::memcpy(frame.data() + offsetof(wire::FrameHeader, sequence), &name, sizeof name);
  if (!pending) return sequence;
  pending->sequence = sequence;
  expect_(*pending);
  return sequence;
}

// The first of them to the channel, and the others over the stripes.
void Outbox::write_parts(std::span<iovec> parts, size_t to_channel) {
  try {
    channel_.write(parts.first(to_channel));
    if (to_channel < parts.size()) stripes()->write(parts.subspan(to_channel));
  } catch (const std::exception& error) {
    failed_(error.what());
  }
  writing_.clear();
}

// Until somebody may need the sender. With queue_mutex_ in `lock`.
void Outbox::rest(std::unique_lock<std::mutex>& lock) {
  if (rhythm_.dense()) {
    queue_filled_.wait_for(lock, Rhythm::kLook, [this] { return closing_; });
    return;
  }
  // Set at each round: a waiting call may have written what this thread was woken for.
  sender_sleeps_ = true;
  queue_filled_.wait(lock);
  sender_sleeps_ = false;
}

void Outbox::sender() {
  pthread_setname_np(pthread_self(), "bfkernel-send");
  std::unique_lock queue_lock(queue_mutex_);
  while (true) {
    if (queue_.empty()) {
      if (closing_) return;
      rest(queue_lock);
      continue;
    }
    queue_lock.unlock();
    {
      const std::lock_guard write_lock(write_mutex_);
      {
        const std::lock_guard inner(queue_mutex_);
        writing_.swap(queue_);
      }
      iovec part{writing_.data(), writing_.size()};
      write_parts(std::span(&part, 1), 1);
    }
    queue_lock.lock();
  }
}

}  // namespace shim
