// SPDX-License-Identifier: BSD-3-Clause
// Memory: what is lent to, and borrowed from, other processes of the lease.
#include <iterator>

#include "worker/memory.h"

namespace worker {

std::uint64_t Memory::block_at(std::uint64_t address) const {
  const std::lock_guard lock(mutex_);
  auto next = live_.upper_bound(address);
  if (next == live_.begin()) return 0;
  const auto& [start, block] = *std::prev(next);
  return address - start < block.size ? start : 0;
}

CUresult Memory::lend(std::uint64_t address, int* file, Shared* where) {
  // Under the lock to the end: the block may not go meanwhile.
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(address);
  if (found == live_.end()) return CUDA_ERROR_INVALID_VALUE;
  const Block& block = found->second;
  if (!is_small(block.size)) {
    *where = {whole_chunks(block.size), 0, block.size, block.device};
    return backing_.export_file(big_.at(address), file);
  }
  const Device& gpu = devices_[block.device];
  const std::uint64_t chunk = gpu.small.region_of(address);
  *where = {granularity_, address - chunk, block.size, block.device};
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
