// SPDX-License-Identifier: BSD-3-Clause
#include "wire/ring.h"

#include <algorithm>
#include <cstring>

#include "wire/codec.h"

namespace wire {

RingWriter::RingWriter(RingState& state, std::span<std::byte> bytes)
    : state_(state), bytes_(bytes), data_bell_(state.reader_sleeps), room_bell_(state.writer_sleeps) {}

// Bytes that may be written, at least as many as when the reader was last looked at.
std::size_t RingWriter::room() {
  const std::uint64_t read = state_.read.load(std::memory_order_seq_cst);
  if (read < read_ || read > written_) throw Malformed("the other side has read what was not written");
  read_ = read;
  return bytes_.size() - (written_ - read);
}

std::size_t RingWriter::put(std::span<const std::byte> bytes) {
  std::size_t room = bytes_.size() - (written_ - read_);
  if (room < bytes.size()) room = this->room();
  const std::size_t size = std::min(room, bytes.size());
  if (size == 0) return 0;  // nothing may have no address
  const std::size_t at = written_ & (bytes_.size() - 1);
  const std::size_t before_end = std::min(size, bytes_.size() - at);
  std::memcpy(bytes_.data() + at, bytes.data(), before_end);
  std::memcpy(bytes_.data(), bytes.data() + before_end, size - before_end);
  written_ += size;
  return size;
}

void RingWriter::publish() {
  state_.written.store(written_, std::memory_order_seq_cst);
  data_bell_.ring();
}

bool RingWriter::wait(const std::atomic<bool>& closed, std::chrono::milliseconds limit) {
  return room_bell_.wait(limit, [&] { return closed.load(std::memory_order_relaxed) || room() > 0; });
}

RingReader::RingReader(RingState& state, std::span<const std::byte> bytes)
    : state_(state), bytes_(bytes), data_bell_(state.reader_sleeps), room_bell_(state.writer_sleeps) {}

std::size_t RingReader::take(void* data, std::size_t size) {
  const std::uint64_t there = state_.written.load(std::memory_order_acquire) - read_;
  if (there > bytes_.size()) throw Malformed("the other side has written more than there is room for");
  size = std::min<std::uint64_t>(size, there);
  if (size == 0) return 0;
  const std::size_t at = read_ & (bytes_.size() - 1);
  const std::size_t before_end = std::min(size, bytes_.size() - at);
  auto* out = static_cast<std::byte*>(data);
  std::memcpy(out, bytes_.data() + at, before_end);
  std::memcpy(out + before_end, bytes_.data(), size - before_end);
  read_ += size;
  state_.read.store(read_, std::memory_order_seq_cst);
  room_bell_.ring();
  return size;
}

bool RingReader::wait(const std::atomic<bool>& closed, std::chrono::milliseconds limit) {
  return data_bell_.wait(limit, [&] { return closed.load(std::memory_order_relaxed) || !empty(); });
}

}  // namespace wire
