// SPDX-License-Identifier: BSD-3-Clause
#include "wire/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include "wire/codec.h"

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
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

Fd make_file() {
  Fd file(memfd_create("bfkernel", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) fail("making shared memory");
  if (ftruncate(file.get(), kSize) != 0 || fcntl(file.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0)
    fail("making shared memory");
  return file;
}

void check(int file) {
  struct stat facts;
  const int seals = fcntl(file, F_GET_SEALS);
  if (fstat(file, &facts) != 0 || facts.st_size != static_cast<off_t>(kSize) || (seals & kSeals) != kSeals)
    throw Malformed("the shared memory of the other side has another size than agreed, or can change it");
}

}  // namespace

Segment Segment::create() { return Segment(make_file()); }

Segment::Segment(Fd file) : file_(std::move(file)) {
  check(file_.get());
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (memory == MAP_FAILED) fail("mapping shared memory");
  memory_ = static_cast<std::byte*>(memory);
}

Segment::Segment(Segment&& other) noexcept
    : file_(std::move(other.file_)), memory_(std::exchange(other.memory_, nullptr)) {}

Segment::~Segment() {
  if (memory_ != nullptr) munmap(memory_, kSize);
}

void Segment::keep_from_children() { madvise(memory_, kSize, MADV_DONTFORK); }

Segment::Ring Segment::to_worker() const {
  return {reinterpret_cast<Head*>(memory_)->to_worker, {memory_ + kToWorkerAt, kToWorker}};
}

Segment::Ring Segment::to_client() const {
  return {reinterpret_cast<Head*>(memory_)->to_client, {memory_ + kToClientAt, kToClient}};
}

std::span<std::byte> Segment::uploads() const { return {memory_ + kUploadsAt, kUploads}; }

std::span<std::byte> Segment::downloads() const { return {memory_ + kDownloadsAt, kDownloads}; }

}  // namespace wire
