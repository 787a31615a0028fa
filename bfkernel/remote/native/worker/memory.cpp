// SPDX-License-Identifier: BSD-3-Clause
#include "worker/memory.h"

#include <algorithm>
#include <iterator>

namespace worker {
namespace {

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace

Memory::Memory(Backing& backing, Ledger& ledger, std::uint64_t window_base, std::uint64_t window_size,
               std::uint64_t granularity)
    : backing_(backing),
      ledger_(ledger),
      middle_(window_base + window_size / 2),
      end_(window_base + window_size),
      granularity_(granularity),
      devices_(ledger.gpus()) {
  addresses_.add_region(window_base, window_size / 2);
}

Memory::~Memory() {
  for (auto& [address, mapping] : mappings_) backing_.unmap(address, mapping.size);
  for (auto& [id, memory] : created_) {
    backing_.destroy(memory.handle);
    ledger_.give(memory.device, memory.size);
  }
  while (!borrowed_.empty()) give_back(borrowed_.begin()->first);
  std::vector<std::pair<std::uint64_t, Block>> blocks(live_.begin(), live_.end());
  for (auto& [address, block] : blocks) {
    if (retire(address, &block)) reclaim(address, block);
  }
  release_slack();
}

std::uint64_t Memory::whole_chunks(std::uint64_t size) const { return round_up(size, granularity_); }
std::uint64_t Memory::footprint(std::uint64_t size) const {
  return is_small(size) ? size : whole_chunks(size);
}

CUresult Memory::allocate(unsigned device, std::uint64_t size, std::uint64_t context,
                          std::uint64_t* address) {
  if (size == 0) return CUDA_ERROR_INVALID_VALUE;
  // Also keeps the roundings below from overflowing.
  if (size > ledger_.limit(device)) return CUDA_ERROR_OUT_OF_MEMORY;
  size = rounded(size);
  const std::lock_guard lock(mutex_);
  const CUresult result =
      is_small(size) ? allocate_small(device, size, address) : allocate_big(device, size, address);
  if (result == CUDA_SUCCESS) live_.emplace(*address, Block{size, device, context});
  return result;
}

CUresult Memory::allocate_small(unsigned device, std::uint64_t size, std::uint64_t* address) {
  Device& gpu = devices_[device];
  auto found = gpu.small.take(size);
  if (!found) {
    std::uint64_t base = 0, handle = 0;
    const CUresult result = back(device, granularity_, &base, &handle);
    if (result != CUDA_SUCCESS) return result;
    gpu.chunks.emplace(base, handle);
    gpu.small.add_region(base, granularity_);
    found = gpu.small.take(size);
  }
  if (gpu.slack != 0 && gpu.small.region_of(*found) == gpu.slack) gpu.slack = 0;
  *address = *found;
  return CUDA_SUCCESS;
}

CUresult Memory::allocate_big(unsigned device, std::uint64_t size, std::uint64_t* address) {
  std::uint64_t handle = 0;
  CUresult result = back(device, whole_chunks(size), address, &handle);
  if (result == CUDA_ERROR_OUT_OF_MEMORY && devices_[device].slack != 0) {
    drop_slack(device);
    result = back(device, whole_chunks(size), address, &handle);
  }
  if (result == CUDA_SUCCESS) big_.emplace(*address, handle);
  return result;
}

CUresult Memory::back(unsigned device, std::uint64_t size, std::uint64_t* address, std::uint64_t* handle) {
  return place(device, size, address, handle,
               [&](std::uint64_t* made) { return backing_.create(device, size, made); });
}

// Physical memory that `make` brings, charged, mapped and accessible, at an address of the lower half.
CUresult Memory::place(unsigned device, std::uint64_t size, std::uint64_t* address, std::uint64_t* handle,
                       const std::function<CUresult(std::uint64_t*)>& make) {
  if (!ledger_.take(device, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  const auto room = addresses_.take(size);
  if (!room) {
    ledger_.give(device, size);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  CUresult result = make(handle);
  if (result == CUDA_SUCCESS) {
    result = backing_.map(*room, size, 0, *handle);
    if (result == CUDA_SUCCESS) {
      result = backing_.allow_access(device, *room, size);
      if (result != CUDA_SUCCESS) backing_.unmap(*room, size);
    }
    if (result != CUDA_SUCCESS) backing_.destroy(*handle);
  }
  if (result != CUDA_SUCCESS) {
    addresses_.give(*room, size);
    ledger_.give(device, size);
    return result;
  }
  *address = *room;
  return CUDA_SUCCESS;
}

void Memory::drop(unsigned device, std::uint64_t address, std::uint64_t size, std::uint64_t handle) {
  backing_.unmap(address, size);
  backing_.destroy(handle);
  addresses_.give(address, size);
  ledger_.give(device, size);
}

bool Memory::retire(std::uint64_t address, Block* block) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(address);
  if (found == live_.end()) return false;
  *block = found->second;
  devices_[block->device].retired += footprint(block->size);
  live_.erase(found);
  return true;
}

void Memory::end_context(std::uint64_t context) {
  std::vector<std::pair<std::uint64_t, Block>> ended;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [address, block] : live_) {
      if (block.context == context) ended.emplace_back(address, block);
    }
    std::erase_if(foreign_, [context](const auto& item) { return item.second.context == context; });
  }
  for (auto& [address, block] : ended) {
    if (retire(address, &block)) reclaim(address, block);
  }
}

void Memory::reclaim(std::uint64_t address, const Block& block) {
  const std::lock_guard lock(mutex_);
  devices_[block.device].retired -= footprint(block.size);
  if (is_small(block.size)) {
    reclaim_small(address, block);
    return;
  }
  const auto big = big_.find(address);
  drop(block.device, address, whole_chunks(block.size), big->second);
  big_.erase(big);
}

// One empty chunk is kept for a while: a program that takes and frees one small block in a loop would
// otherwise create and destroy physical memory each time.
void Memory::reclaim_small(std::uint64_t address, const Block& block) {
  Device& gpu = devices_[block.device];
  const auto empty = gpu.small.give(address, block.size);
  if (!empty) return;
  drop_slack(block.device);
  gpu.slack = *empty;
}

void Memory::drop_slack(unsigned device) {
  Device& gpu = devices_[device];
  if (gpu.slack == 0) return;
  gpu.small.remove_region(gpu.slack);
  const auto chunk = gpu.chunks.find(gpu.slack);
  drop(device, chunk->first, granularity_, chunk->second);
  gpu.chunks.erase(chunk);
  gpu.slack = 0;
}

void Memory::release_slack() {
  const std::lock_guard lock(mutex_);
  for (unsigned device = 0; device < devices_.size(); ++device) drop_slack(device);
}

bool Memory::has_slack() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(devices_.begin(), devices_.end(), [](const Device& gpu) { return gpu.slack != 0; });
}

CUresult Memory::create(std::uint64_t id, unsigned device, std::uint64_t size) {
  if (size == 0 || size % granularity_ != 0) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(mutex_);
  if (created_.contains(id)) return CUDA_ERROR_INVALID_VALUE;
  if (!ledger_.take(device, size)) {
    drop_slack(device);
    if (!ledger_.take(device, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  std::uint64_t handle = 0;
  const CUresult result = backing_.create(device, size, &handle);
  if (result != CUDA_SUCCESS) {
    ledger_.give(device, size);
    return result;
  }
  created_.emplace(id, Created{handle, size, device, 0, false});
  return CUDA_SUCCESS;
}

CUresult Memory::release(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = created_.find(id);
  if (found == created_.end() || found->second.released) return CUDA_ERROR_INVALID_VALUE;
  found->second.released = true;
  end_created(found);
  return CUDA_SUCCESS;
}

// As in CUDA, memory lives until it is released and its last mapping is gone.
void Memory::end_created(std::map<std::uint64_t, Created>::iterator created) {
  const Created& memory = created->second;
  if (!memory.released || memory.mappings != 0) return;
  backing_.destroy(memory.handle);
  ledger_.give(memory.device, memory.size);
  created_.erase(created);
}

CUresult Memory::map(std::uint64_t address, std::uint64_t size, std::uint64_t offset, std::uint64_t id) {
  const bool aligned = address % granularity_ == 0 && size % granularity_ == 0 && offset % granularity_ == 0;
  if (!aligned || size == 0 || !in_client_half(address, size)) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(mutex_);
  const auto found = created_.find(id);
  if (found == created_.end() || found->second.released) return CUDA_ERROR_INVALID_VALUE;
  Created& memory = found->second;
  if (offset > memory.size || size > memory.size - offset) return CUDA_ERROR_INVALID_VALUE;
  const auto after = mappings_.lower_bound(address);
  if (after != mappings_.end() && after->first < address + size) return CUDA_ERROR_INVALID_VALUE;
  if (after != mappings_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second.size > address) return CUDA_ERROR_INVALID_VALUE;
  }
  const CUresult result = backing_.map(address, size, offset, memory.handle);
  if (result != CUDA_SUCCESS) return result;
  ++memory.mappings;
  mappings_.emplace(address, Mapping{size, id});
  return CUDA_SUCCESS;
}

// Whole mappings only, one or several in a row, as the driver has it.
CUresult Memory::unmap(std::uint64_t address, std::uint64_t size) {
  if (size == 0 || !in_client_half(address, size)) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(mutex_);
  const auto first = mappings_.find(address);
  auto last = first;
  std::uint64_t end = address;
  while (last != mappings_.end() && last->first == end && end < address + size) end += (last++)->second.size;
  if (end != address + size) return CUDA_ERROR_INVALID_VALUE;
  for (auto mapping = first; mapping != last; ++mapping) {
    backing_.unmap(mapping->first, mapping->second.size);
    const auto memory = created_.find(mapping->second.id);
    --memory->second.mappings;
    end_created(memory);
  }
  mappings_.erase(first, last);
  return CUDA_SUCCESS;
}

void Memory::add_foreign(std::uint64_t owner, std::uint64_t context, std::uint64_t address,
                         std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  foreign_[address] = {size, owner, context};
}

void Memory::drop_foreign(std::uint64_t owner) {
  const std::lock_guard lock(mutex_);
  std::erase_if(foreign_, [owner](const auto& item) { return item.second.owner == owner; });
}

bool Memory::contains(std::uint64_t address, std::uint64_t size) const {
  if (size > UINT64_MAX - address) return false;
  const std::lock_guard lock(mutex_);
  const auto inside = [&](const auto& ranges, auto size_of) {
    auto next = ranges.upper_bound(address);
    if (next == ranges.begin()) return false;
    const auto& [start, range] = *std::prev(next);
    return address - start < size_of(range) && size <= size_of(range) - (address - start);
  };
  const auto size_of = [](const auto& range) { return range.size; };
  if (inside(live_, size_of) || inside(foreign_, size_of) || inside(borrowed_, size_of)) return true;
  // Mappings that lie side by side are one range to the program.
  std::uint64_t at = address;
  const std::uint64_t last = address + size;
  auto mapping = mappings_.upper_bound(address);
  if (mapping == mappings_.begin()) return false;
  for (--mapping; mapping != mappings_.end() && mapping->first <= at; ++mapping) {
    if (mapping->first + mapping->second.size <= at) return false;
    at = mapping->first + mapping->second.size;
    if (at >= last) return true;
  }
  return false;
}

bool Memory::in_client_half(std::uint64_t address, std::uint64_t size) const {
  return address >= middle_ && address < end_ && size <= end_ - address;
}

Memory::Usage Memory::usage(unsigned device) const {
  const std::lock_guard lock(mutex_);
  const Device& gpu = devices_[device];
  const std::uint64_t limit = ledger_.limit(device);
  const std::uint64_t held = std::min(limit, ledger_.held_by_all(device));
  // Room inside our own chunks and what waits to be reclaimed is free to this client.
  const std::uint64_t ours = gpu.small.free_bytes() + gpu.retired;
  return {std::min(limit, limit - held + ours), limit};
}

bool Memory::others_hold(unsigned device) const { return ledger_.held_by_all(device) > ledger_.held(device); }

}  // namespace worker
