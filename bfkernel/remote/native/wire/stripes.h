// SPDX-License-Identifier: BSD-3-Clause
// Several sockets side by side, for the payloads of large copies over a long network. A TCP stream carries no
// more than its send buffer in one round trip, and that ends at 4 MiB unless an administrator says otherwise.
//
// Each direction is one sequence of bytes, dealt out in turn: the first kStripeUnit bytes on the first
// socket, as many on the next, and so on. A write that waits for one socket lets the others go on with what
// they have.
#pragma once

#include <array>
#include <atomic>
#include <string_view>

#include "wire/channel.h"
#include "wire/socket.h"

namespace wire {

// What a connection that becomes a stripe says it is for.
inline constexpr std::string_view kStripeRole = "stripe";
inline constexpr std::size_t kMostStripes = 8;
inline constexpr std::size_t kStripeUnit = 256 << 10;
inline constexpr std::size_t kStripedLeast = 1 << 20;  // shorter payloads stay with their frames

class Stripes : public Channel {
 public:
  // `silence` as for SocketChannel, of each socket.
  explicit Stripes(std::chrono::seconds silence = {}) : silence_(silence) {}

  // One more, behind those that are there: false where there are kMostStripes, or bytes have gone over the
  // others. Both sides must add in the same order. One thread at a time, which may be another than those that
  // read and write.
  bool add(Fd socket);
  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }

  // Not while empty().
  void write(std::span<iovec> parts) override;
  std::optional<std::size_t> read(void* data, std::size_t size) override;
  void close() override;
  void abandon() override;

 private:
  // Whose turn it is in one direction.
  struct Turn {
    std::size_t stripe = 0;
    std::size_t left = kStripeUnit;
    void pass(std::size_t bytes, std::size_t stripes);
  };
  std::size_t in_use();

  const std::chrono::seconds silence_;
  std::array<Fd, kMostStripes> sockets_;
  std::atomic<std::size_t> count_{0};
  std::atomic<bool> used_{false};
  Turn out_;  // the writer's
  Turn in_;   // the reader's
};

}  // namespace wire
