// SPDX-License-Identifier: BSD-3-Clause
#include "wire/segment.h"

#include <sys/mman.h>

namespace wire {
namespace {

constexpr std::size_t kPage = 4096;

// The first page. New memory is zero, and zero is how both rings begin.
struct Head {
  RingState to_worker;
  RingState to_client;
};
static_assert(sizeof(Head) <= kPage);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::size_t kToWorkerAt = kPage;
constexpr std::size_t kToClientAt = kToWorkerAt + Segment::kToWorker;
constexpr std::size_t kUploadsAt = kToClientAt + Segment::kToClient;
constexpr std::size_t kDownloadsAt = kUploadsAt + Segment::kUploads;
constexpr std::size_t kSize = kDownloadsAt + Segment::kDownloads;

Head& head(const Mapping& mapping) { return *reinterpret_cast<Head*>(mapping.bytes().data()); }

}  // namespace

Fd Segment::make_file() { return make_sealed_file(kSize); }

Segment::Segment(int file) : mapping_(file, kSize) {}

void Segment::keep_from_children() { madvise(mapping_.bytes().data(), kSize, MADV_DONTFORK); }

Segment::Ring Segment::to_worker() const {
  return {head(mapping_).to_worker, mapping_.bytes().subspan(kToWorkerAt, kToWorker)};
}

Segment::Ring Segment::to_client() const {
  return {head(mapping_).to_client, mapping_.bytes().subspan(kToClientAt, kToClient)};
}

std::span<std::byte> Segment::uploads() const { return mapping_.bytes().subspan(kUploadsAt, kUploads); }

std::span<std::byte> Segment::downloads() const { return mapping_.bytes().subspan(kDownloadsAt, kDownloads); }

}  // namespace wire
