// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include "wire/channel.h"
#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/stripes.h"

namespace worker {

// The worker's end of a data connection once the greetings are over: frames in, replies out.
//
// Frames are read by one thread, many at a time: what fits the buffer is executed where it lies. A payload
// that does not fit can be taken whole, or piece by piece into the place where it is wanted.
class Connection {
 public:
  // Called by the thread that reads.
  struct Waiting {
    std::function<void()> begins;  // everything is executed, and the client has sent no more
    std::function<void()> lasts;   // the client has been silent for kSilence, and again for as long
  };
  // A channel made with kSilence.
  Connection(std::unique_ptr<wire::Channel> channel, Waiting waiting)
      : channel_(std::move(channel)), waiting_(std::move(waiting)) {}
  static constexpr std::chrono::seconds kSilence{2};

  // The next frame's header, after what is left of the frame before: false when the client closed the
  // connection between two frames. Throws wire::Malformed for a header that cannot be, std::system_error.
  bool next(wire::FrameHeader& header);

  // Payload bytes of the current frame that nobody has taken.
  std::size_t left() const { return left_; }
  // The rest of the payload in one piece; valid until next().
  wire::Bytes rest();
  // The next `size` bytes of the payload; the borrowed form holds kBorrowed at most, until the next call.
  void read(std::byte* to, std::size_t size);
  wire::Bytes take(std::size_t size);
  // True where a frame's header or more of what follows the current frame has arrived.
  bool ready() const { return end_ - begin_ > (striped_ ? 0 : left_) || channel_->readable(); }

  static constexpr std::size_t kBorrowed = 4096;

  // A further connection, for payloads alone; false where it cannot be taken. A thread beside the others.
  bool add_stripe(wire::Fd socket) { return stripes_.add(std::move(socket)); }
  bool has_stripes() const { return !stripes_.empty(); }

  // Sends one frame; any thread. `parts` follow the header, whose size is filled in here, or go over the
  // stripes where it says so.
  void send(wire::FrameHeader header, std::span<const wire::Bytes> parts);

  // Ends the connection; any thread. What came before is still read.
  void close() {
    channel_->close();
    stripes_.close();
  }

 private:
  std::size_t receive(wire::Channel& from, std::byte* to, std::size_t size);
  wire::Channel& payload_source() { return striped_ ? stripes_ : *channel_; }
  void skip_rest();
  void fill(std::size_t least);
  bool fill_or_end(std::size_t least);
  void consume(std::size_t size);

  static constexpr std::size_t kBuffer = 256 * 1024;
  static constexpr std::size_t kKeptLarge = 64 << 20;  // a larger buffer is given back after its frame

  const std::unique_ptr<wire::Channel> channel_;
  wire::Stripes stripes_{kSilence};
  const Waiting waiting_;
  std::unique_ptr<std::byte[]> buffer_ = std::make_unique<std::byte[]>(kBuffer);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t left_ = 0;
  bool striped_ = false;                       // the payload of the current frame
  std::array<std::byte, kBorrowed> borrowed_;  // of a striped one
  std::unique_ptr<std::byte[]> large_;
  std::size_t large_size_ = 0;
  std::mutex send_mutex_;
};

}  // namespace worker
