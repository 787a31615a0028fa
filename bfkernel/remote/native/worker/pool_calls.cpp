// SPDX-License-Identifier: BSD-3-Clause
// Stream-ordered allocation and pools, over the same memory as everything else: the lease's limit holds for
// the sum of all of it, so the driver's own pools are not used.
#include "worker/allocate.h"
#include "worker/calls.h"
#include "worker/graphs.h"

namespace worker {
namespace {

Pool& find_pool(Session& session, std::uint64_t id) {
  auto& pools = session.pools();
  const auto found = pools.find(id);
  if (found != pools.end()) return found->second;
  for (unsigned device = 0; device < session.gpus(); ++device) {
    if (id != wire::default_pool_id(static_cast<int>(device))) continue;
    Pool pool;
    pool.device = device;
    return pools.emplace(id, pool).first->second;
  }
  throw CudaError{CUDA_ERROR_INVALID_VALUE};
}

CUresult pool_create(Session& session, const wire::PoolCreate& message) {
  Pool pool;
  pool.device = session.ordinal(message.device);
  pool.max_size = message.max_size;
  if (message.pool < wire::kFirstClientId || !session.pools().emplace(message.pool, pool).second) {
    throw wire::Malformed("a new pool has an id that is taken");
  }
  return CUDA_SUCCESS;
}

// Allocations outlive their pool in CUDA as well.
CUresult pool_destroy(Session& session, const wire::PoolDestroy& message) {
  session.memory().forget_pool(message.pool);
  return session.pools().erase(message.pool) != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult pool_set_attribute(Session& session, const wire::PoolSetAttribute& message) {
  Pool& pool = find_pool(session, message.pool);
  switch (message.attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      // Wishes about speed: what is freed goes back to the lease whatever they say.
      pool.attributes[message.attribute] = message.value;
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      if (message.value != 0) return CUDA_ERROR_INVALID_VALUE;
      session.memory().reset_pool_high(message.pool);
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult pool_get_attribute(Session& session, const wire::PoolGetAttribute& message,
                            wire::PoolGetAttribute::Reply& reply) {
  Pool& pool = find_pool(session, message.pool);
  const Memory::PoolUse use = session.memory().pool_use(message.pool);
  switch (message.attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: {
      const auto set = pool.attributes.find(message.attribute);
      reply.value = set != pool.attributes.end() ? set->second : 1;
      return CUDA_SUCCESS;
    }
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      reply.value = pool.attributes[message.attribute];
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      reply.value = use.used;
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      reply.value = use.high;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult pool_trim(Session& session, const wire::PoolTrim& message) {
  find_pool(session, message.pool);
  session.memory().release_slack();
  return CUDA_SUCCESS;
}

void mem_alloc_async(Session& session, const wire::FrameHeader& request, const wire::MemAllocAsync& message) {
  const Context& context = session.current();
  session.handle<CUstream>(wire::Kind::stream, message.stream);  // an unknown stream is an error
  const std::uint64_t id =
      message.pool != 0 ? message.pool : wire::default_pool_id(static_cast<int>(context.device));
  const Pool& pool = find_pool(session, id);
  const std::uint64_t used = session.memory().pool_use(id).used;
  if (pool.max_size != 0 && (used > pool.max_size || message.size > pool.max_size - used)) {
    return session.answer(request, CUDA_ERROR_OUT_OF_MEMORY);
  }
  const Memory::Owner owner{context.home, id};
  // What this stream's own order freed may be used by what follows in it, without any waiting.
  if (const auto reused = session.reclaimer().take_back(pool.device, message.size, owner, message.stream)) {
    return session.answer(request, CUDA_SUCCESS, {encoded(wire::MemAllocAsync::Reply{*reused})});
  }
  allocate(session, request, pool.device, message.size, owner);
}

CUresult mem_free_async(Session& session, const wire::MemFreeAsync& message) {
  session.handle<CUstream>(wire::Kind::stream, message.stream);
  if (session.graphs().free(message.address)) return CUDA_SUCCESS;
  Memory::Block block{};
  if (!session.memory().retire(message.address, &block)) return CUDA_ERROR_INVALID_VALUE;
  session.reclaimer().add(message.address, block, message.stream);
  return CUDA_SUCCESS;
}

}  // namespace

void add_pool_calls(CallTable& table) {
  table.serve<&pool_create>(wire::Opcode::PoolCreate);
  table.serve<&pool_destroy>(wire::Opcode::PoolDestroy);
  table.serve<&pool_set_attribute>(wire::Opcode::PoolSetAttribute);
  table.serve<&pool_get_attribute>(wire::Opcode::PoolGetAttribute);
  table.serve<&pool_trim>(wire::Opcode::PoolTrim);
  table.serve<&mem_alloc_async>(wire::Opcode::MemAllocAsync);
  table.serve<&mem_free_async>(wire::Opcode::MemFreeAsync);
}

}  // namespace worker
