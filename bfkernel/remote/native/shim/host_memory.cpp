// SPDX-License-Identifier: BSD-3-Clause
#include "shim/host_memory.h"

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>

#include "shim/api.h"
#include "shim/capture.h"
#include "shim/mirrors.h"
#include "shim/request.h"
#include "shim/shared_memory.h"

namespace shim::host_memory {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kLeastBlock = size_t{64} << 10;  // what is smaller is not worth a mapping of its own

std::mutex mutex;
std::map<uint64_t, Block>& blocks = *new std::map<uint64_t, Block>;
std::atomic<unsigned> host_blocks_there{0};
uint64_t last_buffer_id = uint64_t{1} << 48;  // apart from those of device memory

auto holder(uint64_t address) {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) return blocks.end();
  const auto found = std::prev(after);
  return address - found->first < found->second.size ? found : blocks.end();
}

void add(Block block) {
  const std::lock_guard lock(mutex);
  block.buffer_id = ++last_buffer_id;
  blocks.insert_or_assign(block.address, block);
}

// Takes the block that begins at the pointer out of the table, or throws.
Block remove(const void* pointer, bool registered, CUresult otherwise) {
  const std::lock_guard lock(mutex);
  const auto found = blocks.find(reinterpret_cast<uint64_t>(pointer));
  require(found != blocks.end() && found->second.registered == registered, otherwise);
  const Block block = found->second;
  blocks.erase(found);
  return block;
}

size_t whole_pages(size_t size) { return (size + kPage - 1) / kPage * kPage; }

host_blocks::Allocation allocate(size_t size, bool shared) {
  if (shared) return {reinterpret_cast<void*>(shared_memory::allocate(size, memory::Origin::host))};
  if (size >= kLeastBlock) {
    if (const auto allocation = host_blocks::allocate(whole_pages(size)); allocation.memory) {
      ++host_blocks_there;
      return allocation;
    }
  }
  return {std::aligned_alloc(kPage, whole_pages(size))};
}

void release(const Block& block) {
  void* memory = reinterpret_cast<void*>(block.address);
  mirrors::drop(block.address);
  if (block.host_block == 0) return std::free(memory);
  --host_blocks_there;
  host_blocks::release({memory, block.host_block}, whole_pages(block.size));
}

}  // namespace

std::optional<Block> find(uint64_t address) {
  const std::lock_guard lock(mutex);
  const auto found = holder(address);
  return found == blocks.end() ? std::nullopt : std::optional(found->second);
}

std::optional<host_blocks::Place> place(uint64_t address, uint64_t size) {
  if (host_blocks_there.load(std::memory_order_relaxed) == 0) return std::nullopt;
  const std::lock_guard lock(mutex);
  const auto found = holder(address);
  if (found == blocks.end() || found->second.host_block == 0) return std::nullopt;
  const uint64_t offset = address - found->first;
  if (size > found->second.size - offset) return std::nullopt;
  return host_blocks::Place{found->second.host_block, offset};
}

}  // namespace shim::host_memory

namespace shim::api {

CUresult cuMemHostAlloc(void** pp, size_t bytesize, unsigned int Flags) {
  require(pp);
  require(bytesize > 0 && bytesize < SIZE_MAX / 2, CUDA_ERROR_INVALID_VALUE);
  ContextObject* context = contexts::home();
  capture::check_unsafe();
  const bool shared = (Flags & CU_MEMHOSTALLOC_DEVICEMAP) != 0;
  const host_blocks::Allocation allocation = host_memory::allocate(bytesize, shared);
  *pp = allocation.memory;
  require(*pp != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  host_memory::add({.address = reinterpret_cast<uint64_t>(*pp),
                    .size = bytesize,
                    .flags = Flags,
                    .shared = shared,
                    .host_block = allocation.block,
                    .context = context});
  return CUDA_SUCCESS;
}

CUresult cuMemAllocHost_v2(void** pp, size_t bytesize) { return api::cuMemHostAlloc(pp, bytesize, 0); }

CUresult cuMemFreeHost(void* p) {
  capture::check_unsafe();
  const host_memory::Block block = host_memory::remove(p, false, CUDA_ERROR_INVALID_VALUE);
  if (block.shared) {
    shared_memory::release(block.address, memory::Origin::host);  // unless it ended with its context
    return CUDA_SUCCESS;
  }
  host_memory::release(block);
  return CUDA_SUCCESS;
}

CUresult cuMemHostRegister_v2(void* p, size_t bytesize, unsigned int Flags) {
  require(p);
  require(bytesize > 0, CUDA_ERROR_INVALID_VALUE);
  require(!memory::is_device(reinterpret_cast<uint64_t>(p)), CUDA_ERROR_INVALID_VALUE);
  require(!host_memory::find(reinterpret_cast<uint64_t>(p)), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  host_memory::add({.address = reinterpret_cast<uint64_t>(p),
                    .size = bytesize,
                    .flags = Flags,
                    .registered = true,
                    .context = contexts::home()});
  return CUDA_SUCCESS;
}

CUresult cuMemHostUnregister(void* p) {
  mirrors::drop(host_memory::remove(p, true, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED).address);
  return CUDA_SUCCESS;
}

// Staging memory stays ordinary: only what is asked for here gets a copy on the server.
CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* pdptr, void* p, unsigned int Flags) {
  require(pdptr);
  require(Flags == 0, CUDA_ERROR_INVALID_VALUE);
  const auto address = reinterpret_cast<uint64_t>(p);
  const auto block = host_memory::find(address);
  require(block.has_value(), CUDA_ERROR_INVALID_VALUE);
  *pdptr = block->shared ? address
                         : mirrors::address_of(block->address, block->size, contexts::home()) +
                               (address - block->address);
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetFlags(unsigned int* pFlags, void* p) {
  require(pFlags);
  const auto block = host_memory::find(reinterpret_cast<uint64_t>(p));
  require(block && !block->registered, CUDA_ERROR_INVALID_VALUE);
  *pFlags = block->flags;
  return CUDA_SUCCESS;
}

}  // namespace shim::api
