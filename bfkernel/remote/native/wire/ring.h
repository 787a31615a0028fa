// SPDX-License-Identifier: BSD-3-Clause
// A stream of bytes through shared memory, from one writer to one reader.
//
// Each side keeps its own position to itself and writes a copy of it for the other, whose copy it checks at
// every look: whatever the other side writes there, nothing outside of the ring's bytes is touched, and who
// is told nonsense ends with wire::Malformed. Bytes are copied out before anybody decodes them, so that they
// cannot change under the decoder.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/doorbell.h"

namespace wire {

// What the two sides tell each other; each on cache lines of its own.
struct RingState {
  alignas(64) std::atomic<std::uint64_t> written{0};  // bytes since the beginning, by the writer
  alignas(64) std::atomic<std::uint64_t> read{0};     // by the reader
  alignas(64) std::atomic<std::uint32_t> reader_sleeps{0};
  alignas(64) std::atomic<std::uint32_t> writer_sleeps{0};
};

class RingWriter {
 public:
  // The size of `bytes` is a power of two.
  RingWriter(RingState& state, std::span<std::byte> bytes);

  // Copies as much of `bytes` as has room, and returns how much. The reader sees it after publish().
  std::size_t put(std::span<const std::byte> bytes);
  void publish();
  // Waits until there is room, `closed` is set, or `limit` has passed; false in the last case.
  bool wait(const std::atomic<bool>& closed, std::chrono::milliseconds limit);
  // Wakes who waits for room here.
  void interrupt() { room_bell_.wake(); }

 private:
  std::size_t room();

  RingState& state_;
  const std::span<std::byte> bytes_;
  std::uint64_t written_ = 0;
  std::uint64_t read_ = 0;  // as seen last
  Doorbell data_bell_;
  Doorbell room_bell_;
};

class RingReader {
 public:
  RingReader(RingState& state, std::span<const std::byte> bytes);

  // Copies at most `size` bytes of what is there to `data`, and returns how many.
  std::size_t take(void* data, std::size_t size);
  bool empty() const { return state_.written.load(std::memory_order_seq_cst) == read_; }
  // Waits until there is something, `closed` is set, or `limit` has passed; false in the last case.
  bool wait(const std::atomic<bool>& closed, std::chrono::milliseconds limit);
  // Wakes who waits for bytes here.
  void interrupt() { data_bell_.wake(); }

 private:
  RingState& state_;
  const std::span<const std::byte> bytes_;
  std::uint64_t read_ = 0;
  Doorbell data_bell_;
  Doorbell room_bell_;
};

}  // namespace wire
