// SPDX-License-Identifier: BSD-3-Clause
#include "shim/transport.h"

#include <algorithm>
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

constexpr size_t kInputSize = size_t{64} << 10;
// A socket that is closed is read to its end at once; a thread that leads may just not run.
constexpr auto kLastWords = std::chrono::seconds(1);

}  // namespace

Transport::Transport(wire::Fd socket, std::unique_ptr<wire::Channel> channel,
                     std::function<void(const Ending&)> tell)
    : socket_(std::move(socket)),
      channel_(std::move(channel)),
      tell_(std::move(tell)),
      input_(kInputSize),
      outbox_(
          *channel_, [this](Pending& pending) { expect(pending); },
          [this](const std::string& why) { end({.why = why}); }) {}

void Transport::expect(Pending& pending) {
  const std::lock_guard lock(reply_mutex_);
  pending_.emplace(name_on_wire(pending.sequence), &pending);
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
  const uint64_t sequence = outbox_.put(frame, tail, nullptr);
  check_alive();
  return sequence;
}

uint64_t Transport::sent() {
  check_alive();
  return outbox_.latest();
}

void Transport::send(std::span<std::byte> frame, Pending& pending) {
  check_alive();
  log::count(true, frame.size());
  outbox_.put(frame, {}, &pending);
}

void Transport::await(Pending& pending) {
  std::unique_lock lock(reply_mutex_);
  pending.awaited = true;
  while (!pending.done) {
    if (leading_) {
      pending.wake.wait(lock);
    } else if (dead_) {
      // Only without a leader: it might be writing into `pending` just now.
      pending_.erase(name_on_wire(pending.sequence));
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
bool Transport::something_arrived() const { return input_begin_ != input_end_ || channel_->arrived(); }

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
  in_bulk_ = header.size >= input_.size();
  if (header.size > wire::kMaxPayload) throw wire::Malformed("the server sent a frame that is too large");
  if (header.opcode == wire::kOpcodeStdout) return print(header.size);
  if (header.opcode == wire::kOpcodeHostWrite) return write_host(header.size);
  if (header.opcode == wire::kOpcodeFarewell) return hear_farewell(header.size);
  if (header.opcode == wire::kOpcodeReady) return hear_report(header);
  deliver(header);
}

size_t Transport::read_some(wire::Channel& from, std::byte* data, size_t size) {
  while (true) {
    const std::optional<size_t> got = from.read(data, size);
    if (got && *got == 0) throw wire::Malformed("the GPU server closed the connection");
    if (got) return *got;
  }
}

// A small buffer in front of the channel: header and payload of a short reply take one system call. After a
// large one the next is probably large too, and what the buffer holds of it would be copied twice.
void Transport::read_bytes(void* data, size_t size) {
  auto* out = static_cast<std::byte*>(data);
  while (size > 0) {
    if (input_begin_ == input_end_) {
      const bool direct = in_bulk_ || size >= input_.size();
      const size_t got = read_some(*channel_, direct ? out : input_.data(), direct ? size : input_.size());
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

void Transport::read_payload(const wire::FrameHeader& header, std::span<std::byte> to) {
  if ((header.flags & wire::kFlagStriped) == 0) return read_bytes(to.data(), to.size());
  wire::Stripes* stripes = outbox_.stripes();
  if (!stripes) throw wire::Malformed("the server sent a payload over stripes, and there are none");
  log::count_striped(to.size());
  while (!to.empty()) to = to.subspan(read_some(*stripes, to.data(), to.size()));
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
    read_payload(header, pending->destination);
  } else {
    pending->payload.resize(header.size);
    read_payload(header, pending->payload);
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

void Transport::use(std::unique_ptr<wire::Stripes> stripes) {
  const std::lock_guard lock(reply_mutex_);
  if (dead_) return;
  stripes_ = std::move(stripes);
  outbox_.use(*stripes_);
}

void Transport::end(Ending ending) {
  std::unique_lock lock(reply_mutex_);
  if (ending_.why.empty() || (ending.over && !ending_.over)) ending_ = std::move(ending);
  if (dead_.exchange(true)) return;
  channel_->close();  // whoever reads or writes now finds out
  if (stripes_) stripes_->close();
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
  if (stripes_) stripes_->abandon();
}

}  // namespace shim
