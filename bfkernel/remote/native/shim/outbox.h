// SPDX-License-Identifier: BSD-3-Clause
// Frames on their way out, for all threads of the process; the server reads them in the order of their
// numbers.
//
// Where a write is a system call there is a queue. A posted frame is appended (that is all its caller pays),
// and a sender thread writes what has gathered. A frame that is waited for is written at once, together with
// the queue, by its own thread; if another thread is writing just then, it is appended, and goes out with
// that thread's or the sender's next write: who waits for an answer need not wait for a lock before. Where a
// write is cheap each frame is written at once. Nothing is held back to make a bigger packet, but to be woken
// for each frame would cost a busy program more than the frame: while it makes many the sender looks every
// now and then instead (rhythm.h), and what is waited for takes along what has gathered.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "shim/rhythm.h"
#include "wire/channel.h"
#include "wire/codec.h"
#include "wire/stripes.h"

namespace shim {

struct Pending;

class Outbox {
 public:
  // `expect` is told of each frame that waits for a reply, once it has its number and before it is written.
  // `failed` is told why the channel takes no more; the frame is then lost.
  Outbox(wire::Channel& channel, std::function<void(Pending&)> expect,
         std::function<void(const std::string&)> failed);
  ~Outbox();

  // `frame` begins with a FrameHeader, whose sequence is filled in. `tail` is the end of the payload and may
  // be the program's own memory: it is not touched after the call. `pending`: null for a posted frame.
  // Returns the frame's number.
  uint64_t put(std::span<std::byte> frame, wire::Bytes tail, Pending* pending);

  // From now on large payloads go over these, which must outlive this. Any thread.
  void use(wire::Stripes& stripes) { stripes_.store(&stripes, std::memory_order_release); }
  wire::Stripes* stripes() const { return stripes_.load(std::memory_order_acquire); }  // null: none

  // The number of the latest frame; they are counted from 1.
  uint64_t latest() const { return sequence_.load(std::memory_order_relaxed); }

 private:
  void start_sender();
  void sender();
  void rest(std::unique_lock<std::mutex>& lock);
  uint64_t enqueue(std::unique_lock<std::mutex> lock, std::span<std::byte> frame, wire::Bytes tail,
                   Pending* pending);
  uint64_t write(std::span<std::byte> frame, wire::Bytes tail, Pending* pending);
  uint64_t number(std::span<std::byte> frame, Pending* pending);
  void write_parts(std::span<iovec> parts, size_t to_channel);

  wire::Channel& channel_;
  std::atomic<wire::Stripes*> stripes_{nullptr};
  const bool queues_;
  const std::function<void(Pending&)> expect_;
  const std::function<void(const std::string&)> failed_;

  std::mutex write_mutex_;  // held while writing to the channel; taken before queue_mutex_
  std::vector<std::byte> writing_;
  std::mutex queue_mutex_;
  std::condition_variable queue_filled_;
  std::vector<std::byte> queue_;
  // Set under queue_mutex_, or where nothing queues under write_mutex_; the lower half travels.
  std::atomic<uint64_t> sequence_{0};
  bool sender_sleeps_ = false;
  Rhythm rhythm_;  // of the frames that were appended
  bool closing_ = false;
  std::thread sender_thread_;
};

}  // namespace shim
