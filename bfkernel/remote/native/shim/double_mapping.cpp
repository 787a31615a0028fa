// SPDX-License-Identifier: BSD-3-Clause
#include "shim/double_mapping.h"

#include <sys/mman.h>
#include <unistd.h>

namespace shim::double_mapping {

std::byte* make(uint64_t host, uint64_t size, bool reserved) {
  const int fd = memfd_create("bfkernel-shared", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  const bool sized = ftruncate(fd, static_cast<off_t>(size)) == 0;
  void* at = reinterpret_cast<void*>(host);
  void* alias = sized ? mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  const int flags = MAP_SHARED | (reserved ? MAP_FIXED : MAP_FIXED_NOREPLACE);
  void* here = alias != MAP_FAILED ? mmap(at, size, PROT_READ, flags, fd, 0) : MAP_FAILED;
  close(fd);
  if (here != at) {
    if (alias != MAP_FAILED) munmap(alias, size);
    if (here != MAP_FAILED) munmap(here, size);
    return nullptr;
  }
  // The child of a fork has no part in it, as with any driver.
  madvise(here, size, MADV_DONTFORK);
  madvise(alias, size, MADV_DONTFORK);
  return static_cast<std::byte*>(alias);
}

void end(uint64_t host, std::byte* alias, uint64_t size, bool reserved) {
  munmap(alias, size);
  void* at = reinterpret_cast<void*>(host);
  if (reserved) {
    mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  } else {
    munmap(at, size);
  }
}

}  // namespace shim::double_mapping
