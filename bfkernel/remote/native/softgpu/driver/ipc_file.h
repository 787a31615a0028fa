// SPDX-License-Identifier: BSD-3-Clause
// Memory files that another process of the same user opens by what an IPC handle says: where the file is, and
// a token that only somebody who was given the handle can know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace softgpu::driver {

using IpcToken = std::array<uint64_t, 2>;

class IpcFile {
 public:
  // `size` bytes of nothing. Throws OPERATING_SYSTEM.
  explicit IpcFile(size_t size);
  // The file of another process. Throws INVALID_HANDLE when there is none with that token.
  IpcFile(int process, int file, const IpcToken& token);
  ~IpcFile();
  IpcFile(const IpcFile&) = delete;

  int file() const { return file_; }
  size_t size() const { return size_; }
  const IpcToken& token() const { return token_; }

 private:
  int file_ = -1;
  size_t size_ = 0;  // what the users have of it; the token lies behind
  IpcToken token_{};
};

}  // namespace softgpu::driver
