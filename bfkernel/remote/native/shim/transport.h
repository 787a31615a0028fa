// SPDX-License-Identifier: BSD-3-Clause
// Frames out and replies in, for all threads of the process, over one channel.
//
// Out: outbox.h. In: the waiting threads read for each other. One of them, the leader, reads frames and hands
// each reply to its owner; when it has its own it wakes another waiting thread to lead. A lone caller so
// needs no second wake-up.
//
// The end: whoever notices it first closes the channel. What the server had sent before is still read, by
// the leader or else by who noticed: it may say why the connection ends. Only then do calls fail.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "shim/cuda_api.h"
#include "shim/outbox.h"
#include "shim/watch.h"
#include "wire/channel.h"
#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/socket.h"
#include "wire/stripes.h"

namespace shim {

// A reply on its way. `destination` says where a bulk payload goes; else it lands in `payload`.
struct Pending {
  std::span<std::byte> destination;
  std::vector<std::byte> payload;
  CUresult result = CUDA_SUCCESS;
  bool done = false;
  bool awaited = false;  // a thread is in await() for it
  uint64_t sequence = 0;
  std::condition_variable wake;
  Watch* watch = nullptr;  // of a query: what its report, if one follows, is noted in
};

class Transport {
 public:
  // Why a connection has ended. `over`: the lease is, and `why` is the sentence of who ended it.
  struct Ending {
    bool over = false;
    std::string why;
  };
  // `socket` is where both sides met: its end is the end of the connection, whatever the channel. `tell` is
  // called once, by the first call that finds the connection ended.
  Transport(wire::Fd socket, std::unique_ptr<wire::Channel> channel, std::function<void(const Ending&)> tell);

  // `frame` begins with a FrameHeader, whose sequence is filled in here. `tail` is the end of the payload and
  // may be the program's own memory: it is not touched after the call. Returns the request's number. Throws
  // Failure when the connection is gone.
  uint64_t post(std::span<std::byte> frame, wire::Bytes tail = {});

  // Sends and registers `pending`; await() then returns when its reply is there.
  void send(std::span<std::byte> frame, Pending& pending);
  void await(Pending& pending);

  // Takes what has arrived, unless another thread reads just now. Waits for nothing but the rest of a frame.
  // Throws Failure when the connection is gone.
  void take_in();

  // The number of the latest request; they are counted from 1. Throws Failure when the connection is gone.
  uint64_t sent();

  // The latest request of which the server said that the GPUs had done it and all before; 0: none yet.
  uint64_t idle_through() const { return idle_through_.load(std::memory_order_relaxed); }

  // The first error of posted calls that has come in and was not yet reported, or success.
  CUresult take_deferred() { return static_cast<CUresult>(deferred_.exchange(0, std::memory_order_relaxed)); }

  // From now on large payloads may go over these; once. Any thread.
  void use(std::unique_ptr<wire::Stripes> stripes);
  bool has_stripes() const { return outbox_.stripes() != nullptr; }

  // Ends the connection, if it has not ended yet. Any thread.
  void end(Ending ending);
  // To watch for its end.
  int socket() const { return socket_.get(); }

  // In the child of a fork: closes the copies of descriptors, touches nothing else.
  void abandon_after_fork();

 private:
  void expect(Pending& pending);
  void lead(std::unique_lock<std::mutex>& lock);
  void wake_next();
  void read_frame();
  size_t read_some(wire::Channel& from, std::byte* data, size_t size);
  void read_bytes(void* data, size_t size);
  void read_payload(const wire::FrameHeader& header, std::span<std::byte> to);
  void deliver(const wire::FrameHeader& header);
  void note_deferred(const wire::FrameHeader& header);
  void print(uint32_t size);
  void write_host(uint32_t size);
  void hear_farewell(uint32_t size);
  bool something_arrived() const;
  void hear_report(const wire::FrameHeader& header);
  void read_to_end(std::unique_lock<std::mutex>& lock, bool readable);
  void check_alive();
  [[noreturn]] void refuse();

  wire::Fd socket_;
  const std::unique_ptr<wire::Channel> channel_;
  std::unique_ptr<wire::Stripes> stripes_;  // under reply_mutex_
  std::function<void(const Ending&)> tell_;
  std::once_flag told_;
  std::atomic<bool> dead_{false};  // set under reply_mutex_
  std::atomic<uint32_t> deferred_{0};
  std::atomic<uint64_t> idle_through_{0};  // set by the leader

  std::mutex reply_mutex_;
  std::map<uint32_t, Pending*> pending_;
  bool leading_ = false;
  Ending ending_;
  bool at_end_ = false;  // all that came before the end is read, and ending_ final
  std::condition_variable end_reached_;
  std::vector<std::byte> input_;  // the leader's
  size_t input_begin_ = 0;
  size_t input_end_ = 0;
  bool in_bulk_ = false;  // the latest frame was larger than the buffer
  struct Query {
    Watch* watch;
    uint64_t sequence;
  };
  std::map<uint32_t, Query> queries_;  // whose reports are to come; the leader's

  Outbox outbox_;  // its thread uses what is above
};

// How a request is named in its header and in its reply's.
inline uint32_t name_on_wire(uint64_t sequence) { return static_cast<uint32_t>(sequence); }

}  // namespace shim
