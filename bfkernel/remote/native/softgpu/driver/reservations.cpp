// SPDX-License-Identifier: BSD-3-Clause
#include "reservations.h"

#include <sys/mman.h>

#include <algorithm>

#include "address_space.h"

namespace softgpu::driver {
namespace {

constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

uint64_t reserve_at(uint64_t hint, size_t size) {
  void* place = mmap(reinterpret_cast<void*>(hint), size, PROT_NONE, kReserve | MAP_FIXED_NOREPLACE, -1, 0);
  if (place == MAP_FAILED) return 0;
  if (reinterpret_cast<uint64_t>(place) == hint) return hint;
  munmap(place, size);  // a kernel older than the flag
  return 0;
}

uint64_t reserve_anywhere(size_t size, size_t alignment) {
  size_t slack = size + alignment;
  require(slack > size, CUDA_ERROR_OUT_OF_MEMORY);
  void* place = mmap(nullptr, slack, PROT_NONE, kReserve, -1, 0);
  require(place != MAP_FAILED, CUDA_ERROR_OUT_OF_MEMORY);
  uint64_t begin = reinterpret_cast<uint64_t>(place);
  uint64_t aligned = (begin + alignment - 1) / alignment * alignment;
  if (aligned > begin) munmap(place, aligned - begin);
  uint64_t end = aligned + size;
  if (begin + slack > end) munmap(reinterpret_cast<void*>(end), begin + slack - end);
  return aligned;
}

}  // namespace

Reservations& Reservations::instance() {
  static auto* reservations = new Reservations;
  return *reservations;
}

uint64_t Reservations::reserve(size_t size, size_t alignment, uint64_t hint) {
  require(size > 0 && size % kGranularity == 0 && (alignment & (alignment - 1)) == 0);
  alignment = std::max(alignment, kGranularity);
  uint64_t address = hint && hint % alignment == 0 ? reserve_at(hint, size) : 0;
  if (!address) address = reserve_anywhere(size, alignment);
  std::lock_guard lock(mutex_);
  reserved_[address] = size;
  return address;
}

void Reservations::free(uint64_t address, size_t size) {
  std::lock_guard lock(mutex_);
  auto found = reserved_.find(address);
  require(found != reserved_.end() && found->second == size);
  auto mapping = mapped_.lower_bound(address);
  require(mapping == mapped_.end() || mapping->first >= address + size);
  munmap(reinterpret_cast<void*>(address), size);
  reserved_.erase(found);
}

void Reservations::map(uint64_t address, size_t size, const std::shared_ptr<Physical>& physical) {
  require(size > 0 && size % kGranularity == 0 && address % kGranularity == 0 && size <= physical->size);
  std::lock_guard lock(mutex_);
  auto reservation = reserved_.upper_bound(address);
  require(reservation != reserved_.begin());
  --reservation;
  require(address - reservation->first <= reservation->second &&
          size <= reservation->second - (address - reservation->first));
  auto next = mapped_.lower_bound(address);
  require(next == mapped_.end() || next->first >= address + size);
  require(next == mapped_.begin() || std::prev(next)->first + std::prev(next)->second.size <= address);
  void* place = mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                     physical->file(), 0);
  require(place != MAP_FAILED, CUDA_ERROR_OPERATING_SYSTEM);
  mapped_[address] = {size, physical};
  Range range;
  range.begin = address;
  range.end = address + size;
  range.kind = RangeKind::mapped;
  range.device = physical->device.ordinal;
  range.explicit_access = true;  // none until cuMemSetAccess
  AddressSpace::instance().insert(std::move(range));
}

std::vector<uint64_t> Reservations::cover(uint64_t address, size_t size) const {
  std::lock_guard lock(mutex_);
  return cover_locked(address, size);
}

std::vector<uint64_t> Reservations::cover_locked(uint64_t address, size_t size) const {
  std::vector<uint64_t> mappings;
  uint64_t end = address + size;
  auto mapping = mapped_.find(address);
  while (address < end) {
    require(mapping != mapped_.end() && mapping->first == address && mapping->second.size <= end - address);
    mappings.push_back(address);
    address += mapping->second.size;
    ++mapping;
  }
  return mappings;
}

void Reservations::unmap(uint64_t address, size_t size) {
  std::vector<std::shared_ptr<Physical>> gone;  // let go outside the lock
  std::lock_guard lock(mutex_);
  for (uint64_t begin : cover_locked(address, size)) {
    auto mapping = mapped_.find(begin);
    AddressSpace::instance().remove(begin,
                                    [](const Range& range) { return range.kind == RangeKind::mapped; });
    mmap(reinterpret_cast<void*>(begin), mapping->second.size, PROT_NONE, kReserve | MAP_FIXED, -1, 0);
    gone.push_back(std::move(mapping->second.physical));
    mapped_.erase(mapping);
  }
}

std::shared_ptr<Physical> Reservations::physical_at(uint64_t address) const {
  std::lock_guard lock(mutex_);
  auto mapping = mapped_.upper_bound(address);
  if (mapping == mapped_.begin()) return nullptr;
  --mapping;
  return address - mapping->first < mapping->second.size ? mapping->second.physical : nullptr;
}

}  // namespace softgpu::driver
