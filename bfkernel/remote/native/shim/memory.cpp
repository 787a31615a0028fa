// SPDX-License-Identifier: BSD-3-Clause
#include "shim/memory.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "shim/api.h"
#include "shim/capture.h"
#include "shim/pool_figures.h"
#include "shim/request.h"
#include "shim/shared_memory.h"
#include "shim/slabs.h"
#include "wire/ipc_messages.h"
#include "wire/memory_messages.h"

namespace shim::memory {
namespace {

constexpr uint64_t kPitchAlignment = 512;

std::shared_mutex mutex;
std::map<uint64_t, Allocation>& allocations = *new std::map<uint64_t, Allocation>;
std::atomic<uint64_t> last_buffer_id{0};

// Under the mutex: the entry that holds the address, or end().
auto holder(uint64_t address) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return allocations.end();
  const auto found = std::prev(after);
  return address - found->first < found->second.size ? found : allocations.end();
}

// What belongs to a context ends with it.
const bool registered = [] {
  contexts::on_end([](ContextObject* context) {
    const std::unique_lock lock(mutex);
    std::erase_if(allocations, [context](const auto& entry) {
      const bool stays = entry.second.origin == Origin::mapped || entry.second.outlives_context;
      return entry.second.context == context && !stays;
    });
  });
  return true;
}();

}  // namespace

void add(Allocation allocation) {
  allocation.buffer_id = ++last_buffer_id;
  const std::unique_lock lock(mutex);
  allocations.insert_or_assign(allocation.address, allocation);
}

std::optional<Allocation> remove(uint64_t address) {
  const std::unique_lock lock(mutex);
  const auto found = allocations.find(address);
  if (found == allocations.end()) return std::nullopt;
  const Allocation out = found->second;
  allocations.erase(found);
  return out;
}

std::optional<Allocation> find(uint64_t address) {
  const std::shared_lock lock(mutex);
  const auto found = holder(address);
  return found == allocations.end() ? std::nullopt : std::optional(found->second);
}

void set_sync_memops(uint64_t address, bool on) {
  const std::unique_lock lock(mutex);
  if (const auto found = holder(address); found != allocations.end()) found->second.sync_memops = on;
}

void set_named(uint64_t address) {
  const std::unique_lock lock(mutex);
  if (const auto found = holder(address); found != allocations.end()) found->second.named = true;
}

bool is_device(uint64_t address) {
  const Connection* existing = connected();
  return existing && (existing->window().holds(address) || find(address));
}

void require_device(uint64_t address, uint64_t size) {
  const std::shared_lock lock(mutex);
  auto found = holder(address);
  // Mappings side by side are one range to a program that maps memory itself.
  while (found != allocations.end()) {
    const uint64_t left = found->first + found->second.size - address;
    if (size <= left) return;
    address += left;
    size -= left;
    found = holder(address);
    if (found != allocations.end() && found->second.origin != Origin::mapped) break;
  }
  throw Failure{CUDA_ERROR_INVALID_VALUE};
}

void free(const Allocation& allocation, std::optional<uint64_t> stream) {
  if (allocation.origin == Origin::graph) {
    // The graph has this memory again at its next launch; the worker says when it is no more.
    Request request(Opcode::MemFree, Context::any);
    request.in_context(allocation.context);
    request.fields(wire::MemFree{allocation.address});
    request.post();
    return;
  }
  if (!remove(allocation.address)) return;
  if (allocation.named) post(wire::IpcForgetMemory{allocation.address});
  if (allocation.origin == Origin::pooled)
    pool_figures::give(allocation.memory, allocation.context, allocation.size);
  slabs::give(allocation.context, allocation.device, allocation.address, stream);
}

}  // namespace shim::memory

namespace shim::api {

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  const auto info = call(wire::MemInfo{}, Context::current);
  if (free) *free = std::min(info.free_bytes + slabs::unused(contexts::home()->device), info.total_bytes);
  if (total) *total = info.total_bytes;
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr* dptr, size_t bytesize) {
  require(dptr);
  require(bytesize > 0, CUDA_ERROR_INVALID_VALUE);
  ContextObject* context = contexts::home();
  capture::check_unsafe();
  contexts::require_usable(contexts::current());
  *dptr = slabs::take(context, bytesize);
  memory::add({.address = *dptr, .size = bytesize, .context = context, .device = context->device});
  return CUDA_SUCCESS;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* dptr, size_t* pPitch, size_t WidthInBytes, size_t Height,
                            unsigned int ElementSizeBytes) {
  require(pPitch);
  require(WidthInBytes > 0 && Height > 0 && WidthInBytes < SIZE_MAX / 2, CUDA_ERROR_INVALID_VALUE);
  require(ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16, CUDA_ERROR_INVALID_VALUE);
  const size_t pitch =
      (WidthInBytes + memory::kPitchAlignment - 1) / memory::kPitchAlignment * memory::kPitchAlignment;
  size_t bytes = 0;
  require(!__builtin_mul_overflow(pitch, Height, &bytes), CUDA_ERROR_OUT_OF_MEMORY);
  const CUresult result = api::cuMemAlloc_v2(dptr, bytes);
  *pPitch = pitch;
  return result;
}

CUresult cuMemFree_v2(CUdeviceptr dptr) {
  if (dptr == 0 || shared_memory::release(dptr, memory::Origin::managed)) return CUDA_SUCCESS;
  const auto allocation = memory::find(dptr);
  require(allocation && allocation->address == dptr && memory::is_freed_by_address(*allocation),
          CUDA_ERROR_INVALID_VALUE);
  capture::check_unsafe();
  memory::free(*allocation);
  return CUDA_SUCCESS;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* pbase, size_t* psize, CUdeviceptr dptr) {
  contexts::current();
  const auto allocation = memory::find(dptr);
  require(allocation.has_value(), CUDA_ERROR_NOT_FOUND);
  if (pbase) *pbase = allocation->address;
  if (psize) *psize = allocation->size;
  return CUDA_SUCCESS;
}

}  // namespace shim::api
