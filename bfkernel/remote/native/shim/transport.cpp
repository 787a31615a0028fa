// SPDX-License-Identifier: BSD-3-Clause
#include "shim/transport.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "shim/failure.h"
#include "shim/host_slots.h"
#include "shim/log.h"

namespace shim {
namespace {

constexpr size_t kQueueLimit =
    size_t{8} << 20;  // beyond it the caller writes itself: the program cannot run ahead for ever
constexpr size_t kBulk = size_t{64} << 10;  // payloads from here on are written from where they lie
constexpr size_t kInputSize = size_t{64} << 10;
// A socket that is closed is read to its end at once; a thread that leads may just not run.
constexpr auto kLastWords = std::chrono::seconds(1);

// How a request is named in its header and in its reply's.
uint32_t on_wire(uint64_t sequence) { return static_cast<uint32_t>(sequence); }

}  // namespace

Transport::Transport(wire::Fd socket, std::unique_ptr<wire::Channel> channel,
                     std::function<void(const Ending&)> tell)
    : socket_(std::move(socket)),
      channel_(std::move(channel)),
      queues_(!channel_->writes_are_cheap()),
      tell_(std::move(tell)),
      input_(kInputSize) {
  if (queues_) start_sender();
}

// The program's signals are for its own threads.
void Transport::start_sender() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  sender_thread_ = std::thread([this] { sender(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Transport::~Transport() {
  {
    const std::lock_guard lock(queue_mutex_);
    closing_ = true;
  }
  queue_filled_.notify_one();
  if (sender_thread_.joinable()) sender_thread_.join();
}

void Transport::check_alive() {
  if (dead_.load(std::memory_order_relaxed)) [[unlikely]]
    refuse();
}

void Transport::refuse() {
  std::unique_lock lock(reply_mutex_);
  end_reached_.wait_for(lock, kLastWords, [this] { return at_end_; });
  const Ending ending = ending_;
  lock.unlock();
  std::call_once(told_, tell_, ending);
  throw Failure{CUDA_ERROR_DEVICE_UNAVAILABLE};
}

uint64_t Transport::post(std::span<std::byte> frame, wire::Bytes tail) {
  check_alive();
  log::count(false, frame.size() + tail.size());
  if (!queues_ || tail.size() >= kBulk) return write_now(frame, tail, nullptr);
  std::unique_lock lock(queue_mutex_);
  if (queue_.size() > kQueueLimit) {
    lock.unlock();
    return write_now(frame, tail, nullptr);
  }
  const uint64_t sequence = number(frame);
  queue_.insert(queue_.end(), frame.begin(), frame.end());
  queue_.insert(queue_.end(), tail.begin(), tail.end());
  if (sender_sleeps_) {
    sender_sleeps_ = false;
    lock.unlock();
    queue_filled_.notify_one();
  }
  return sequence;
}

uint64_t Transport::sent() {
  check_alive();
  return sequence_.load(std::memory_order_relaxed);
}

void Transport::send(std::span<std::byte> frame, Pending& pending) {
  check_alive();
  log::count(true, frame.size());
  write_now(frame, {}, &pending);
}

// Gives the frame the next number. Not an increment that is atomic by itself: it would cost every call.
uint64_t Transport::number(std::span<std::byte> frame) {
  const uint64_t next = sequence_.load(std::memory_order_relaxed) + 1;
  sequence_.store(next, std::memory_order_relaxed);
  const uint32_t name = on_wire(next);
  std::memcpy(frame.data() + offsetof(wire::FrameHeader, sequence), &name, sizeof name);
  return next;
}

// The frame comes after all that is queued, and is registered where it waits for a reply. Returns its number.
uint64_t Transport::take_queue(std::span<std::byte> frame, Pending* pending) {
  std::unique_lock queue_lock(queue_mutex_, std::defer_lock);
  if (queues_) {
    queue_lock.lock();
    writing_.swap(queue_);
  }
  const uint64_t sequence = number(frame);
  if (!pending) return sequence;
  pending->sequence = sequence;
  const std::lock_guard reply_lock(reply_mutex_);
  pending_.emplace(on_wire(sequence), pending);
  return sequence;
}

// Writes the queue and this frame.
uint64_t Transport::write_now(std::span<std::byte> frame, wire::Bytes tail, Pending* pending) {
  const std::lock_guard write_lock(write_mutex_);
  const uint64_t sequence = take_queue(frame, pending);
  std::array<iovec, 3> parts{iovec{writing_.data(), writing_.size()}, iovec{frame.data(), frame.size()},
                             iovec{const_cast<std::byte*>(tail.data()), tail.size()}};
  try {
    channel_->write(parts);
  } catch (const std::exception& error) {
    end({.why = error.what()});
  }
  writing_.clear();
  if (!pending) check_alive();
  return sequence;
}

void Transport::sender() {
  pthread_setname_np(pthread_self(), "bfkernel-send");
  std::unique_lock queue_lock(queue_mutex_);
  while (true) {
    if (queue_.empty()) {
      if (closing_) return;
      // Set at each round: a waiting call may have written what this thread was woken for.
      sender_sleeps_ = true;
      queue_filled_.wait(queue_lock);
      sender_sleeps_ = false;
      continue;
    }
    queue_lock.unlock();
    {
      const std::lock_guard write_lock(write_mutex_);
      {
        const std::lock_guard inner(queue_mutex_);
        writing_.swap(queue_);
      }
      try {
        iovec part{writing_.data(), writing_.size()};
        if (!dead_) channel_->write(std::span(&part, 1));
      } catch (const std::exception& error) {
        end({.why = error.what()});
      }
      writing_.clear();
    }
    queue_lock.lock();
  }
}

void Transport::await(Pending& pending) {
  std::unique_lock lock(reply_mutex_);
  pending.awaited = true;
  while (!pending.done) {
    if (leading_) {
      pending.wake.wait(lock);
    } else if (dead_) {
      // Only without a leader: it might be writing into `pending` just now.
      pending_.erase(on_wire(pending.sequence));
      wake_next();
      lock.unlock();
      refuse();
    } else {
      lead(lock);
    }
  }
  if (!leading_) wake_next();
}

void Transport::take_in() {
  check_alive();
  {
    std::unique_lock lock(reply_mutex_);
    bool led = false;
    for (; !leading_ && !dead_ && something_arrived(); led = true) lead(lock);
    if (led && !leading_) wake_next();
  }
  check_alive();
}

// Under reply_mutex_, while nobody leads.
bool Transport::something_arrived() const {
  return input_begin_ != input_end_ || channel_->arrived();
}

void Transport::lead(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  lock.unlock();
  bool readable = true;
  try {
    read_frame();
  } catch (const std::exception& error) {
    readable = false;
    end({.why = error.what()});
  }
  lock.lock();
  if (dead_ && !at_end_) read_to_end(lock, readable);
  leading_ = false;
}

// Somebody who waits takes over: to lead, or to find out that the connection is gone. Under reply_mutex_.
void Transport::wake_next() {
  const auto next = std::ranges::find_if(pending_, [](const auto& entry) { return entry.second->awaited; });
  if (next != pending_.end()) next->second->wake.notify_one();
}

void Transport::read_frame() {
  wire::FrameHeader header;
  read_bytes(&header, sizeof header);
  if (header.size > wire::kMaxPayload) throw wire::Malformed("the server sent a frame that is too large");
  if (header.opcode == wire::kOpcodeStdout) return print(header.size);
  if (header.opcode == wire::kOpcodeHostWrite) return write_host(header.size);
  if (header.opcode == wire::kOpcodeFarewell) return hear_farewell(header.size);
  if (header.opcode == wire::kOpcodeReady) return hear_report(header);
  deliver(header);
}

size_t Transport::read_some(std::byte* data, size_t size) {
  while (true) {
    if (const std::optional<size_t> got = channel_->read(data, size)) return *got;
  }
}

// A small buffer in front of the channel: header and payload of a short reply take one system call.
void Transport::read_bytes(void* data, size_t size) {
  auto* out = static_cast<std::byte*>(data);
  while (size > 0) {
    if (input_begin_ == input_end_) {
      const bool direct = size >= input_.size();
      const size_t got = read_some(direct ? out : input_.data(), direct ? size : input_.size());
      if (got == 0) throw wire::Malformed("the GPU server closed the connection");
      if (direct) {
        out += got;
        size -= got;
        continue;
      }
      input_begin_ = 0;
      input_end_ = got;
    }
    const size_t step = std::min(size, input_end_ - input_begin_);
    std::memcpy(out, input_.data() + input_begin_, step);
    input_begin_ += step;
    out += step;
    size -= step;
  }
}

void Transport::deliver(const wire::FrameHeader& header) {
  Pending* pending = nullptr;
  {
    const std::lock_guard lock(reply_mutex_);
    const auto found = pending_.find(header.sequence);
    if (found == pending_.end()) throw wire::Malformed("the server answered what nobody asked");
    pending = found->second;
  }
  note_deferred(header);
  if ((header.flags & wire::kFlagWatch) != 0 && pending->watch) {
    queries_.emplace(header.sequence, Query{pending->watch, pending->sequence});
    pending->watch->begin(pending->sequence);
  }
  if ((header.flags & wire::kFlagIdle) != 0 && pending->sequence > idle_through_)
    idle_through_ = pending->sequence;
  // The bytes of a copy go straight to where the program wants them.
  if (!pending->destination.empty() && header.result == CUDA_SUCCESS) {
    if (header.size != pending->destination.size())
      throw wire::Malformed("the server sent another number of bytes than asked for");
    read_bytes(pending->destination.data(), header.size);
  } else {
    pending->payload.resize(header.size);
    read_bytes(pending->payload.data(), header.size);
  }
  const std::lock_guard lock(reply_mutex_);
  pending_.erase(header.sequence);
  pending->result = static_cast<CUresult>(header.result);
  pending->done = true;
  pending->wake.notify_one();
}

void Transport::note_deferred(const wire::FrameHeader& header) {
  uint32_t none = 0;
  if (const auto error = static_cast<uint32_t>(header.context))
    deferred_.compare_exchange_strong(none, error);
}

// The answer to a query has changed. Where it is an error, the next query asks for it.
void Transport::hear_report(const wire::FrameHeader& header) {
  const auto query = queries_.extract(header.sequence);
  if (query.empty() || header.size != 0) throw wire::Malformed("the server reported what nobody asked");
  note_deferred(header);
  query.mapped().watch->end(query.mapped().sequence, header.result == CUDA_SUCCESS);
}

// Device printf. Through stdio, so that it keeps its place among what the program itself prints.
void Transport::print(uint32_t size) {
  std::vector<std::byte> text(size);
  read_bytes(text.data(), size);
  fwrite(text.data(), 1, size, stdout);
  fflush(stdout);
}

// What a graph copied to the program's memory.
void Transport::write_host(uint32_t size) {
  std::vector<std::byte> payload(size);
  read_bytes(payload.data(), size);
  host_slots::receive(payload);
}

void Transport::hear_farewell(uint32_t size) {
  if (size > wire::kMostFarewell) throw wire::Malformed("the server's last words are too many");
  std::string why(size, '\0');
  read_bytes(why.data(), size);
  const std::lock_guard lock(reply_mutex_);
  ending_ = {.over = true, .why = std::move(why)};
}

void Transport::end(Ending ending) {
  std::unique_lock lock(reply_mutex_);
  if (ending_.why.empty() || (ending.over && !ending_.over)) ending_ = std::move(ending);
  if (dead_.exchange(true)) return;
  channel_->close();     // whoever reads or writes now finds out
  if (leading_) return;  // it reads to the end
  leading_ = true;
  read_to_end(lock, true);
  leading_ = false;
  wake_next();
}

// Called by who leads, with reply_mutex_ in `lock`; the channel is closed, so that nothing waits here.
void Transport::read_to_end(std::unique_lock<std::mutex>& lock, bool readable) {
  lock.unlock();
  try {
    while (readable) read_frame();
  } catch (const std::exception&) {
    // Nothing more.
  }
  lock.lock();
  at_end_ = true;
  end_reached_.notify_all();
}

void Transport::abandon_after_fork() {
  socket_.reset();
  channel_->abandon();
}

}  // namespace shim
