// SPDX-License-Identifier: BSD-3-Clause
// Reserved address ranges, and what is mapped into them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "physical.h"

namespace softgpu::driver {

class Reservations {
 public:
  static constexpr size_t kGranularity = size_t{2} << 20;
  static Reservations& instance();

  // At `hint` if that range is free, else where the system likes. Throws OUT_OF_MEMORY.
  uint64_t reserve(size_t size, size_t alignment, uint64_t hint);
  // Exactly a reservation, with nothing mapped. Throws INVALID_VALUE.
  void free(uint64_t address, size_t size);

  void map(uint64_t address, size_t size, const std::shared_ptr<Physical>& physical);
  // Whole mappings only. Throws INVALID_VALUE.
  void unmap(uint64_t address, size_t size);
  // The mappings that make up [address, address + size) without a gap. Throws INVALID_VALUE.
  std::vector<uint64_t> cover(uint64_t address, size_t size) const;
  // Null when nothing is mapped there.
  std::shared_ptr<Physical> physical_at(uint64_t address) const;

 private:
  struct Mapping {
    size_t size;
    std::shared_ptr<Physical> physical;
  };
  std::vector<uint64_t> cover_locked(uint64_t address, size_t size) const;

  mutable std::mutex mutex_;
  std::map<uint64_t, size_t> reserved_;
  std::map<uint64_t, Mapping> mapped_;
};

}  // namespace softgpu::driver
