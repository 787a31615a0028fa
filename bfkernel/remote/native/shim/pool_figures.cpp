// SPDX-License-Identifier: BSD-3-Clause
#include "shim/pool_figures.h"

#include <algorithm>
#include <map>
#include <mutex>

namespace shim::pool_figures {
namespace {

constexpr uint64_t kAlignment = 512;  // bytes; blocks take multiples of it

struct Figures {
  uint64_t used = 0;  // bytes
  uint64_t high = 0;
  std::map<ContextObject*, uint64_t> by_context;       // memory ends with its context
  std::map<CUmemPool_attribute, uint64_t> attributes;  // that were set
};

std::mutex& mutex = *new std::mutex;
std::map<uint64_t, Figures>& pools = *new std::map<uint64_t, Figures>;  // by id

uint64_t rounded(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

const bool registered = [] {
  contexts::on_end([](ContextObject* context) {
    const std::lock_guard lock(mutex);
    for (auto& [id, pool] : pools) {
      const auto part = pool.by_context.extract(context);
      if (!part.empty()) pool.used -= part.mapped();
    }
  });
  return true;
}();

}  // namespace

void take(const PoolObject& pool, ContextObject* context, uint64_t bytes) {
  require(bytes <= UINT64_MAX / 2, CUDA_ERROR_OUT_OF_MEMORY);
  const uint64_t size = rounded(bytes);
  const std::lock_guard lock(mutex);
  Figures& figures = pools[pool.id];
  const bool fits =
      pool.max_size == 0 || (figures.used <= pool.max_size && size <= pool.max_size - figures.used);
  require(fits, CUDA_ERROR_OUT_OF_MEMORY);
  figures.used += size;
  figures.by_context[context] += size;
  figures.high = std::max(figures.high, figures.used);
}

void give(uint64_t pool, ContextObject* context, uint64_t bytes) {
  const std::lock_guard lock(mutex);
  const auto found = pools.find(pool);
  if (found == pools.end()) return;
  Figures& figures = found->second;
  const auto part = figures.by_context.find(context);
  if (part == figures.by_context.end()) return;
  const uint64_t size = std::min(rounded(bytes), part->second);
  figures.used -= size;
  part->second -= size;
}

void forget(uint64_t pool) {
  const std::lock_guard lock(mutex);
  pools.erase(pool);
}

uint64_t get(const PoolObject& pool, CUmemPool_attribute attribute) {
  const std::lock_guard lock(mutex);
  const Figures& figures = pools[pool.id];
  const auto set = figures.attributes.find(attribute);
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      return set != figures.attributes.end() ? set->second : 1;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      return set != figures.attributes.end() ? set->second : 0;
    // What is kept for the next allocation belongs to no pool, and counts as free.
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      return figures.used;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      return figures.high;
    default:
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
}

void set(const PoolObject& pool, CUmemPool_attribute attribute, uint64_t value) {
  const std::lock_guard lock(mutex);
  Figures& figures = pools[pool.id];
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      // Wishes about speed: what is freed goes back to the lease whatever they say.
      figures.attributes[attribute] = value;
      return;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      require(value == 0, CUDA_ERROR_INVALID_VALUE);
      figures.high = figures.used;
      return;
    default:
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
}

}  // namespace shim::pool_figures
