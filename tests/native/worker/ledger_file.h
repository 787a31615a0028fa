// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "worker/ledger.h"

namespace test {

// A ledger as the agent makes it.
class LedgerFile {
 public:
  explicit LedgerFile(const std::vector<std::uint64_t>& limits) : fd_(memfd_create("ledger", 0)) {
    if (ftruncate(fd_, worker::kLedgerBytes) != 0) std::abort();
    file_ = static_cast<worker::LedgerFile*>(
        mmap(nullptr, worker::kLedgerBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    file_->magic = worker::kLedgerMagic;
    file_->version = worker::kLedgerVersion;
    file_->gpus = static_cast<std::uint32_t>(limits.size());
    file_->slots = worker::kLedgerSlots;
    for (std::size_t i = 0; i < limits.size(); ++i) file_->limit[i] = limits[i];
  }
  ~LedgerFile() {
    munmap(file_, worker::kLedgerBytes);
    close(fd_);
  }
  LedgerFile(const LedgerFile&) = delete;
  LedgerFile& operator=(const LedgerFile&) = delete;

  int fd() const { return fd_; }
  worker::LedgerFile& file() { return *file_; }
  std::uint64_t held(unsigned gpu = 0) const {
    std::uint64_t sum = 0;
    for (const auto& slot : file_->slot) sum += slot.held[gpu];
    return sum;
  }

 private:
  int fd_;
  worker::LedgerFile* file_;
};

}  // namespace test
