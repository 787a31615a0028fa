// SPDX-License-Identifier: BSD-3-Clause
#include "shim/staging.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>

#include "shim/capture.h"
#include "shim/host_blocks.h"
#include "shim/host_functions.h"
#include "shim/request.h"
#include "wire/host_block_messages.h"
#include "wire/memory_messages.h"
#include "wire/segment.h"

namespace shim::staging {
namespace {

using wire::Segment;

constexpr uint64_t kLeast = uint64_t{64} << 10;  // smaller copies travel in their frames

// One direction's staging, whose pieces are used in turn. One thread at a time.
template <uint64_t block, size_t size>
class Pieces {
 public:
  static constexpr size_t kCount = size / Segment::kPiece;

  // The next piece's number, once the GPU is done with it.
  size_t next() {
    const size_t number = next_;
    next_ = (next_ + 1) % kCount;
    finish(number);
    return number;
  }
  // Waits for a piece's copy; returns its result.
  CUresult finish(size_t number) {
    std::optional<Pending>& copied = copied_[number];
    if (!copied) return CUDA_SUCCESS;
    connection().transport().await(*copied);
    const CUresult result = copied->result;
    copied.reset();
    return result;
  }
  // Submits a copy and asks to be told when it is done. Returns the number of that request.
  uint64_t copy(size_t number, wire::Direction direction, uint64_t device, CUstream stream, uint64_t bytes) {
    host_blocks::copy(direction, device, stream, {block, offset(number)}, bytes);
    std::optional<Pending>& copied = copied_[number];
    copied.emplace();
    try {
      host_blocks::ask_when_done(stream, *copied);
    } catch (const Failure&) {
      copied.reset();
      throw;
    }
    return copied->sequence;
  }

  static constexpr size_t offset(size_t number) { return number * Segment::kPiece; }

  std::mutex mutex;

 private:
  std::array<std::optional<Pending>, kCount> copied_;  // the answer to wait for; none: the piece is free
  size_t next_ = 0;
};

// Never destroyed: other threads may still copy while the process ends.
auto& uploads = *new Pieces<wire::kUploadsBlock, Segment::kUploads>;
auto& downloads = *new Pieces<wire::kDownloadsBlock, Segment::kDownloads>;

}  // namespace

bool serves(uint64_t size) {
  return size >= kLeast && connection().segment() && !capture::in_flight() && !host_functions::pending();
}

void to_device(uint64_t destination, std::span<const std::byte> source, CUstream stream) {
  std::byte* const staging = connection().segment()->uploads().data();
  const std::lock_guard lock(uploads.mutex);
  while (!source.empty()) {
    const size_t step = std::min(source.size(), Segment::kPiece);
    const size_t piece = uploads.next();
    std::memcpy(staging + uploads.offset(piece), source.data(), step);
    uploads.copy(piece, wire::Direction::to_device, destination, stream, step);
    source = source.subspan(step);
    destination += step;
  }
}

Arrival to_host(std::span<std::byte> destination, uint64_t source, CUstream stream) {
  const std::byte* const staging = connection().segment()->downloads().data();
  const std::lock_guard lock(downloads.mutex);
  struct Asked {
    size_t piece;
    std::span<std::byte> destination;
  };
  std::array<Asked, downloads.kCount> asked;  // a queue, the oldest at `first`
  size_t first = 0;
  size_t count = 0;
  Arrival arrival;
  const auto take_oldest = [&] {
    const auto& [piece, to] = asked[first];
    const CUresult result = downloads.finish(piece);
    if (arrival.result == CUDA_SUCCESS) arrival.result = result;
    if (result == CUDA_SUCCESS) std::memcpy(to.data(), staging + downloads.offset(piece), to.size());
    first = (first + 1) % asked.size();
    --count;
  };
  while (!destination.empty() && arrival.result == CUDA_SUCCESS) {
    if (count == asked.size()) take_oldest();
    const size_t step = std::min(destination.size(), Segment::kPiece);
    const size_t piece = downloads.next();
    arrival.sequence = downloads.copy(piece, wire::Direction::to_host, source, stream, step);
    asked[(first + count) % asked.size()] = {piece, destination.first(step)};
    ++count;
    destination = destination.subspan(step);
    source += step;
  }
  while (count > 0) take_oldest();
  return arrival;
}

}  // namespace shim::staging
