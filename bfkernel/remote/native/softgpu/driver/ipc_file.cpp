// SPDX-License-Identifier: BSD-3-Clause
#include "ipc_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "api.h"

namespace softgpu::driver {

IpcFile::IpcFile(size_t size) : size_(size) {
  file_ = memfd_create("softgpu-ipc", MFD_CLOEXEC);
  require(file_ >= 0, CUDA_ERROR_OPERATING_SYSTEM);
  bool made = getrandom(token_.data(), sizeof token_, 0) == sizeof token_ &&
              ftruncate(file_, static_cast<off_t>(size + sizeof token_)) == 0 &&
              pwrite(file_, token_.data(), sizeof token_, static_cast<off_t>(size)) == sizeof token_;
  if (made) return;
  close(file_);
  fail(CUDA_ERROR_OPERATING_SYSTEM);
}

IpcFile::IpcFile(int process, int file, const IpcToken& token) : token_(token) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", process, file);
  // What is no regular file must not even be opened: a pipe would wait, a device might do something.
  struct stat status;
  require(stat(path, &status) == 0 && S_ISREG(status.st_mode), CUDA_ERROR_INVALID_HANDLE);
  file_ = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  require(file_ >= 0, CUDA_ERROR_INVALID_HANDLE);
  IpcToken found;
  bool known = fstat(file_, &status) == 0 && S_ISREG(status.st_mode) &&
               status.st_size > static_cast<off_t>(sizeof found) &&
               pread(file_, found.data(), sizeof found, status.st_size - static_cast<off_t>(sizeof found)) ==
                   sizeof found &&
               found == token;
  if (!known) {
    close(file_);
    fail(CUDA_ERROR_INVALID_HANDLE);
  }
  size_ = static_cast<size_t>(status.st_size) - sizeof found;
}

IpcFile::~IpcFile() { close(file_); }

}  // namespace softgpu::driver
