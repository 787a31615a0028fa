// SPDX-License-Identifier: BSD-3-Clause
// Memory: what is lent to, and borrowed from, other processes of the lease.
#include <iterator>

#include "worker/memory.h"

namespace worker {

// Under the lock: the live block that holds all of it, or the end.
std::map<std::uint64_t, Memory::Block>::const_iterator Memory::holder(std::uint64_t address,
                                                                      std::uint64_t length) const {
  const auto next = live_.upper_bound(address);
  if (next == live_.begin()) return live_.end();
  const auto found = std::prev(next);
  const std::uint64_t offset = address - found->first;
  const std::uint64_t size = found->second.size;
  return offset < size && length <= size - offset ? found : live_.end();
}

bool Memory::lendable(std::uint64_t address, std::uint64_t length) const {
  const std::lock_guard lock(mutex_);
  return holder(address, length) != live_.end();
}

CUresult Memory::lend(std::uint64_t address, std::uint64_t length, int* file, Shared* where) {
  // Under the lock to the end: the block may not go meanwhile.
  const std::lock_guard lock(mutex_);
  const auto found = holder(address, length);
  if (found == live_.end()) return CUDA_ERROR_INVALID_VALUE;
  const auto& [start, block] = *found;
  if (!is_small(block.size)) {
    *where = {whole_chunks(block.size), address - start, length, block.device};
    return backing_.export_file(big_.at(start), file);
  }
  const Device& gpu = devices_[block.device];
  const std::uint64_t chunk = gpu.small.region_of(address);
  *where = {granularity_, address - chunk, length, block.device};
  return backing_.export_file(gpu.chunks.at(chunk), file);
}

CUresult Memory::borrow(int file, const Shared& where, std::uint64_t* address) {
  const bool sound = where.device < devices_.size() && where.size > 0 && where.size % granularity_ == 0 &&
                     where.size <= ledger_.limit(where.device) + granularity_ && where.length > 0 &&
                     where.offset < where.size && where.length <= where.size - where.offset;
  if (!sound) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(mutex_);
  std::uint64_t base = 0, handle = 0;
  const CUresult result = place(where.device, where.size, &base, &handle,
                                [&](std::uint64_t* found) { return backing_.import_file(file, found); });
  if (result != CUDA_SUCCESS) return result;
  *address = base + where.offset;
  borrowed_[*address] = {where.length, base, handle, where.size, where.device};
  return CUDA_SUCCESS;
}

bool Memory::give_back(std::uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = borrowed_.find(address);
  if (found == borrowed_.end()) return false;
  drop(found->second.device, found->second.base, found->second.mapped, found->second.handle);
  borrowed_.erase(found);
  return true;
}

}  // namespace worker
