// SPDX-License-Identifier: BSD-3-Clause
#include "shim/host_memory.h"

#include <cstdlib>
#include <map>
#include <mutex>

#include "shim/api.h"
#include "shim/request.h"

namespace shim::host_memory {
namespace {

constexpr size_t kPage = 4096;

std::mutex mutex;
std::map<uint64_t, Block>& blocks = *new std::map<uint64_t, Block>;
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
void remove(const void* pointer, bool registered, CUresult otherwise) {
  const std::lock_guard lock(mutex);
  const auto found = blocks.find(reinterpret_cast<uint64_t>(pointer));
  require(found != blocks.end() && found->second.registered == registered, otherwise);
  blocks.erase(found);
}

}  // namespace

std::optional<Block> find(uint64_t address) {
  const std::lock_guard lock(mutex);
  const auto found = holder(address);
  return found == blocks.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace shim::host_memory

namespace shim::api {

CUresult cuMemHostAlloc(void** pp, size_t bytesize, unsigned int Flags) {
  require(pp);
  require(bytesize > 0 && bytesize < SIZE_MAX / 2, CUDA_ERROR_INVALID_VALUE);
  ContextObject* context = contexts::current();
  const size_t rounded = (bytesize + host_memory::kPage - 1) / host_memory::kPage * host_memory::kPage;
  *pp = std::aligned_alloc(host_memory::kPage, rounded);
  require(*pp != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  host_memory::add(
      {.address = reinterpret_cast<uint64_t>(*pp), .size = bytesize, .flags = Flags, .context = context});
  return CUDA_SUCCESS;
}

CUresult cuMemAllocHost_v2(void** pp, size_t bytesize) { return api::cuMemHostAlloc(pp, bytesize, 0); }

CUresult cuMemFreeHost(void* p) {
  host_memory::remove(p, false, CUDA_ERROR_INVALID_VALUE);
  std::free(p);
  return CUDA_SUCCESS;
}

CUresult cuMemHostRegister_v2(void* p, size_t bytesize, unsigned int Flags) {
  require(p);
  require(bytesize > 0, CUDA_ERROR_INVALID_VALUE);
  require(!host_memory::find(reinterpret_cast<uint64_t>(p)), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  host_memory::add({.address = reinterpret_cast<uint64_t>(p),
                    .size = bytesize,
                    .flags = Flags,
                    .registered = true,
                    .context = contexts::current()});
  return CUDA_SUCCESS;
}

CUresult cuMemHostUnregister(void* p) {
  host_memory::remove(p, true, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  return CUDA_SUCCESS;
}

// The GPU cannot reach this machine's memory: see the attribute CAN_MAP_HOST_MEMORY.
CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* pdptr, void* p, unsigned int) {
  require(pdptr);
  require(host_memory::find(reinterpret_cast<uint64_t>(p)).has_value(), CUDA_ERROR_INVALID_VALUE);
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuMemHostGetFlags(unsigned int* pFlags, void* p) {
  require(pFlags);
  const auto block = host_memory::find(reinterpret_cast<uint64_t>(p));
  require(block && !block->registered, CUDA_ERROR_INVALID_VALUE);
  *pFlags = block->flags;
  return CUDA_SUCCESS;
}

}  // namespace shim::api
