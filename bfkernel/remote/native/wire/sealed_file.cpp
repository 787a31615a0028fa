// SPDX-License-Identifier: BSD-3-Clause
#include "wire/sealed_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "wire/codec.h"
#include "wire/failed_call.h"

namespace wire {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

void check(int file, std::size_t size) {
  struct stat facts;
  const int seals = fcntl(file, F_GET_SEALS);
  if (fstat(file, &facts) != 0 || facts.st_size != static_cast<off_t>(size) || seals < 0 ||
      (seals & kSeals) != kSeals)
    throw Malformed("the shared memory of the other side has another size than agreed, or can change it");
}

}  // namespace

Fd make_sealed_file(std::size_t size) {
  Fd file(memfd_create("bfkernel", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
      fcntl(file.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0)
    fail("making shared memory");
  return file;
}

Mapping::Mapping(int file, std::size_t size) {
  check(file, size);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) fail("mapping shared memory");
  bytes_ = {static_cast<std::byte*>(memory), size};
}

Mapping::Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Mapping::~Mapping() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

}  // namespace wire
