// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace wire {

// Best-fit room in regions of addresses: the smallest hole that is large enough, the lowest of equals.
// Neighbouring holes grow together, never across the border of a region. It knows numbers only: what lies
// behind the addresses is its owner's business. Sizes must be multiples of one quantum, and so must regions;
// then every address it hands out is one too.
class Packer {
 public:
  void add_region(std::uint64_t base, std::uint64_t size);
  // The region must be empty.
  void remove_region(std::uint64_t base);

  // The address of `size` bytes, or nothing where no hole is large enough. size > 0.
  std::optional<std::uint64_t> take(std::uint64_t size);
  // Gives back what take() returned, with the same size; returns the base of the region that this left empty.
  std::optional<std::uint64_t> give(std::uint64_t address, std::uint64_t size);

  std::uint64_t free_bytes() const { return free_; }
  std::size_t regions() const { return regions_.size(); }
  std::uint64_t region_of(std::uint64_t address) const;

 private:
  using Hole = std::pair<std::uint64_t, std::uint64_t>;  // size, address
  void add_hole(std::uint64_t address, std::uint64_t size);
  void drop_hole(std::map<std::uint64_t, std::uint64_t>::iterator hole);

  std::map<std::uint64_t, std::uint64_t> regions_;  // base → size
  std::map<std::uint64_t, std::uint64_t> holes_;    // address → size
  std::set<Hole> by_size_;
  std::uint64_t free_ = 0;
};

}  // namespace wire
