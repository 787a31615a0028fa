// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>

#include "wire/channel.h"
#include "wire/segment.h"

namespace wire {

// A data connection through shared memory. The socket over which both sides met stays open beside it and
// carries nothing more: its end is the end of the other side.
class SharedChannel : public Channel {
 public:
  enum class Side { client, worker };
  // What the segment has mapped, and `socket`, must outlive this. For `silence` see Channel::read().
  SharedChannel(const Segment& segment, Side side, int socket,
                std::chrono::milliseconds silence = std::chrono::milliseconds(1000));

  void write(std::span<iovec> parts) override;
  std::optional<std::size_t> read(void* data, std::size_t size) override;
  bool readable() const override { return !in_.empty(); }
  bool writes_are_cheap() const override { return true; }
  void close() override;

 private:
  void close_after_hangup();

  RingWriter out_;
  RingReader in_;
  const int socket_;
  const std::chrono::milliseconds silence_;
  std::atomic<bool> closed_{false};
};

}  // namespace wire
