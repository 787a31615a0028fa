// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "wire/array_messages.h"
#include "worker/ledger.h"

namespace worker {

// What copies are checked against, and what an array takes of the lease.
struct ArrayInfo {
  std::uint64_t row_bytes = 0;
  std::uint64_t height = 1;  // rows
  std::uint64_t depth = 1;   // slices or layers
  unsigned device = 0;
  std::uint64_t charged = 0;  // bytes of the lease
  std::uint64_t context = 0;
  std::uint64_t whole = 0;  // of a level or plane: the array that it belongs to
};

// Nothing for formats and flags that are not forwarded, and for sizes that no memory has.
std::optional<ArrayInfo> array_info(const wire::ArrayDescriptor& descriptor);
// What a driver takes from the card for it, with levels of a half each: it keeps arrays in small tiles.
std::uint64_t array_cost(const wire::ArrayDescriptor& descriptor, std::uint32_t levels);

// The arrays of one client, by its ids. What they take is given back to the ledger as they go. Thread-safe.
class Arrays {
 public:
  explicit Arrays(Ledger& ledger) : ledger_(ledger) {}
  ~Arrays();
  Arrays(const Arrays&) = delete;
  Arrays& operator=(const Arrays&) = delete;

  void add(std::uint64_t id, const ArrayInfo& info);
  std::optional<ArrayInfo> find(std::uint64_t id) const;
  // Ends an array and its parts.
  void remove(std::uint64_t id);
  void end_context(std::uint64_t context);

 private:
  template <class Ends>
  void remove_if(Ends ends);

  Ledger& ledger_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, ArrayInfo> arrays_;
};

}  // namespace worker
