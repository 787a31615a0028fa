// SPDX-License-Identifier: BSD-3-Clause
#include "worker/connection.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace worker {

bool Connection::next(wire::FrameHeader& header) {
  skip_rest();
  if (large_size_ > kKeptLarge) {
    large_.reset();
    large_size_ = 0;
  }
  if (!fill_or_end(sizeof header)) return false;
  std::memcpy(&header, buffer_.get() + begin_, sizeof header);
  begin_ += sizeof header;
  if (header.size > wire::kMaxPayload) throw wire::Malformed("a frame is larger than the protocol allows");
  left_ = header.size;
  striped_ = (header.flags & wire::kFlagStriped) != 0;
  if (striped_ && !has_stripes()) throw wire::Malformed("a frame is on stripes, and there are none");
  return true;
}

wire::Bytes Connection::rest() {
  const std::size_t size = left_;
  if (size <= kBuffer && !striped_) return take(size);
  if (large_size_ < size) {
    large_.reset();
    large_ = std::make_unique_for_overwrite<std::byte[]>(size);
    large_size_ = size;
  }
  read(large_.get(), size);
  return {large_.get(), size};
}

void Connection::read(std::byte* to, std::size_t size) {
  if (size > left_) throw wire::Malformed("a payload ends before its last field");
  if (size == 0) return;  // an empty payload may have no memory at all
  const std::size_t here = striped_ ? 0 : std::min(size, end_ - begin_);
  std::memcpy(to, buffer_.get() + begin_, here);
  consume(here);
  if (here == size) return;
  for (std::size_t done = here; done < size;) {
    const std::size_t got = receive(payload_source(), to + done, size - done);
    if (got == 0) throw wire::Malformed("the connection ended inside a frame");
    done += got;
  }
  left_ -= size - here;
}

wire::Bytes Connection::take(std::size_t size) {
  if (size > left_) throw wire::Malformed("a payload ends before its last field");
  if (striped_) {
    read(borrowed_.data(), size);
    return {borrowed_.data(), size};
  }
  fill(size);
  const wire::Bytes taken(buffer_.get() + begin_, size);
  consume(size);
  return taken;
}

void Connection::skip_rest() {
  while (left_ > 0) take(std::min(left_, kBorrowed));
}

void Connection::consume(std::size_t size) {
  begin_ += size;
  left_ -= size;
}

// What is there, waiting for at least one byte; 0 at the end.
std::size_t Connection::receive(wire::Channel& from, std::byte* to, std::size_t size) {
  if (left_ == 0 && !channel_->readable()) waiting_.begins();
  for (;;) {
    if (const std::optional<std::size_t> got = from.read(to, size)) return *got;
    waiting_.lasts();
  }
}

void Connection::fill(std::size_t least) {
  if (!fill_or_end(least)) throw wire::Malformed("the connection ended inside a frame");
}

// At least `least` bytes from begin_ on. False where the connection ended before the first of them.
bool Connection::fill_or_end(std::size_t least) {
  if (end_ - begin_ >= least) return true;
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (kBuffer - begin_ < least) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ - begin_ < least) {
    const std::size_t got = receive(*channel_, buffer_.get() + end_, kBuffer - end_);
    if (got == 0) {
      if (begin_ == end_) return false;
      throw wire::Malformed("the connection ended inside a frame");
    }
    end_ += got;
  }
  return true;
}

void Connection::send(wire::FrameHeader header, std::span<const wire::Bytes> parts) {
  std::array<iovec, 4> pieces;
  std::size_t count = 1;
  header.size = 0;
  for (const wire::Bytes& part : parts) {
    if (part.empty()) continue;
    pieces.at(count++) = {const_cast<std::byte*>(part.data()), part.size()};
    header.size += static_cast<std::uint32_t>(part.size());
  }
  pieces[0] = {&header, sizeof header};
  const std::lock_guard lock(send_mutex_);
  if ((header.flags & wire::kFlagStriped) == 0) return channel_->write(std::span(pieces).first(count));
  channel_->write(std::span(pieces).first(1));
  stripes_.write(std::span(pieces).subspan(1, count - 1));
}

}  // namespace worker
