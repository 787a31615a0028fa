// SPDX-License-Identifier: BSD-3-Clause
#include "wire/packer.h"

#include <iterator>

namespace wire {

void Packer::add_region(std::uint64_t base, std::uint64_t size) {
  regions_.emplace(base, size);
  add_hole(base, size);
}

void Packer::remove_region(std::uint64_t base) {
  drop_hole(holes_.find(base));
  regions_.erase(base);
}

std::optional<std::uint64_t> Packer::take(std::uint64_t size) {
  const auto best = by_size_.lower_bound({size, 0});
  if (best == by_size_.end()) return std::nullopt;
  const auto [room, address] = *best;
  drop_hole(holes_.find(address));
  if (room > size) add_hole(address + size, room - size);
  return address;
}

std::optional<std::uint64_t> Packer::give(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t base = region_of(address);
  const std::uint64_t end = base + regions_.at(base);
  std::uint64_t first = address;
  std::uint64_t last = address + size;
  auto after = holes_.lower_bound(address);
  if (after != holes_.begin()) {
    const auto before = std::prev(after);
    if (before->first >= base && before->first + before->second == first) {
      first = before->first;
      drop_hole(before);
    }
  }
  if (after != holes_.end() && after->first == last && last < end) {
    last += after->second;
    drop_hole(after);
  }
  add_hole(first, last - first);
  if (first == base && last == end) return base;
  return std::nullopt;
}

std::uint64_t Packer::region_of(std::uint64_t address) const {
  return std::prev(regions_.upper_bound(address))->first;
}

void Packer::add_hole(std::uint64_t address, std::uint64_t size) {
  holes_.emplace(address, size);
  by_size_.emplace(size, address);
  free_ += size;
}

void Packer::drop_hole(std::map<std::uint64_t, std::uint64_t>::iterator hole) {
  by_size_.erase({hole->second, hole->first});
  free_ -= hole->second;
  holes_.erase(hole);
}

}  // namespace wire
