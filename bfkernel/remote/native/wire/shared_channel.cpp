// SPDX-License-Identifier: BSD-3-Clause
#include "wire/shared_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace wire {
namespace {

// What this process has written happens before what it then reads, since the other side has acted on it. In
// shared memory ThreadSanitizer cannot see that; of a socket it assumes it.
void note_written([[maybe_unused]] SharedChannel* channel) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(channel);
#endif
}
void note_read([[maybe_unused]] SharedChannel* channel) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(channel);
#endif
}

// The end of the other side is told by close(). Where that cannot be, it is looked for after so long.
constexpr auto kLookForEnd = std::chrono::milliseconds(1000);

RingWriter writer(const Segment::Ring& ring) { return {ring.state, ring.bytes}; }
RingReader reader(const Segment::Ring& ring) { return {ring.state, ring.bytes}; }

}  // namespace

SharedChannel::SharedChannel(const Segment& segment, Side side, int socket, std::chrono::milliseconds silence)
    : out_(writer(side == Side::client ? segment.to_worker() : segment.to_client())),
      in_(reader(side == Side::client ? segment.to_client() : segment.to_worker())),
      socket_(socket),
      silence_(silence) {}

void SharedChannel::write(std::span<iovec> parts) {
  note_written(this);
  for (const iovec& part : parts) {
    std::span left(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    for (;;) {
      left = left.subspan(out_.put(left));
      if (left.empty()) break;
      out_.publish();
      if (!out_.wait(closed_, kLookForEnd)) close_after_hangup();
      if (closed_.load(std::memory_order_relaxed))
        throw std::system_error(EPIPE, std::generic_category(), "writing to the data connection");
    }
  }
  out_.publish();
}

std::optional<std::size_t> SharedChannel::read(void* data, std::size_t size) {
  for (;;) {
    if (const std::size_t got = in_.take(data, size)) {
      note_read(this);
      return got;
    }
    if (closed_.load(std::memory_order_relaxed)) return in_.take(data, size);  // what came before the end
    if (in_.wait(closed_, silence_)) continue;
    close_after_hangup();
    if (!closed_.load(std::memory_order_relaxed)) return std::nullopt;
  }
}

void SharedChannel::close() {
  closed_.store(true, std::memory_order_seq_cst);
  in_.interrupt();
  out_.interrupt();
  shutdown(socket_, SHUT_RDWR);
}

void SharedChannel::close_after_hangup() {
  pollfd watched{socket_, POLLRDHUP, 0};
  if (poll(&watched, 1, 0) == 1) close();
}

}  // namespace wire
