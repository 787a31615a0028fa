// SPDX-License-Identifier: BSD-3-Clause
#include "wire/stripes.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace wire {
namespace {

// The beginning of some parts, at most so many bytes.
struct Head {
  std::array<iovec, 4> parts;
  std::size_t count = 0;

  Head(std::span<const iovec> all, std::size_t most) {
    for (const iovec& part : all) {
      if (most == 0 || count == parts.size()) return;
      parts[count++] = {part.iov_base, std::min(part.iov_len, most)};
      most -= parts[count - 1].iov_len;
    }
  }
};

}  // namespace

void Stripes::Turn::pass(std::size_t bytes, std::size_t stripes) {
  left -= bytes;
  if (left > 0) return;
  left = kStripeUnit;
  stripe = (stripe + 1) % stripes;
}

bool Stripes::add(Fd socket) {
  const std::size_t count = count_.load(std::memory_order_relaxed);
  if (count == kMostStripes || used_.load(std::memory_order_relaxed)) return false;
  limit_silence(socket.get(), silence_);
  sockets_[count] = std::move(socket);
  count_.store(count + 1, std::memory_order_release);
  return true;
}

std::size_t Stripes::in_use() {
  used_.store(true, std::memory_order_relaxed);
  return count_.load(std::memory_order_acquire);
}

void Stripes::write(std::span<iovec> parts) {
  const std::size_t count = in_use();
  for (parts = unwritten(parts, 0); !parts.empty();) {
    const Head head(parts, out_.left);
    const std::size_t sent = write_some(sockets_[out_.stripe].get(), std::span(head.parts).first(head.count));
    out_.pass(sent, count);
    parts = unwritten(parts, sent);
  }
}

std::optional<std::size_t> Stripes::read(void* data, std::size_t size) {
  const std::size_t count = in_use();
  const std::optional<std::size_t> got =
      read_in_time(sockets_[in_.stripe].get(), data, std::min(size, in_.left));
  if (got) in_.pass(*got, count);
  return got;
}

void Stripes::close() {
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (const Fd& socket : std::span(sockets_).first(count)) shutdown(socket.get(), SHUT_RDWR);
}

void Stripes::abandon() {
  for (Fd& socket : sockets_) socket.reset();
}

}  // namespace wire
