// SPDX-License-Identifier: BSD-3-Clause
// Device memory: allocation within the lease, and the client's own mappings.
#include <chrono>
#include <thread>

#include "wire/memory_messages.h"
#include "worker/allocate.h"
#include "worker/calls.h"
#include "worker/graphs.h"

namespace worker {
namespace {

// Frees are posted and workers end on their own time: what another process of the lease gave back may not
// have arrived in the ledger yet when this one asks.
constexpr auto kGrace = std::chrono::milliseconds(250);
constexpr auto kGraceStep = std::chrono::milliseconds(5);

template <class Attempt>
CUresult persist(Session& session, unsigned device, Attempt attempt) {
  session.reclaimer().flush();
  CUresult result = attempt();
  const auto end = std::chrono::steady_clock::now() + kGrace;
  while (result == CUDA_ERROR_OUT_OF_MEMORY && session.memory().others_hold(device) &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kGraceStep);
    result = attempt();
  }
  return result;
}

bool may_help(Session& session, unsigned device) {
  // While a stream captures, nothing that rests can be waited for.
  if (session.graphs().capturing()) return false;
  return session.reclaimer().pending() || session.memory().others_hold(device);
}

}  // namespace

void allocate_by(Session& session, const wire::FrameHeader& request, unsigned device,
                 const std::function<CUresult()>& attempt) {
  const CUresult result = attempt();
  if (result != CUDA_ERROR_OUT_OF_MEMORY || !may_help(session, device))
    return session.answer(request, result);
  session.aside(request, [&session, device, attempt] { return persist(session, device, attempt); });
}

namespace {

void mem_alloc(Session& session, const wire::FrameHeader& request, const wire::MemAlloc& message) {
  const Context& context = session.current();
  const unsigned device = message.device >= 0 ? session.ordinal(message.device) : context.device;
  const auto attempt = [&session, device, size = message.size, home = context.home](std::uint64_t* address) {
    return session.memory().allocate(device, size, home, address);
  };
  const auto reply = [&session, request](CUresult result, std::uint64_t address) {
    if (result != CUDA_SUCCESS) return session.answer(request, result);
    session.answer(request, result, {encoded(wire::MemAlloc::Reply{address})});
  };
  std::uint64_t address = 0;
  const CUresult result = attempt(&address);
  if (result != CUDA_ERROR_OUT_OF_MEMORY || !may_help(session, device)) return reply(result, address);
  session.detach(request, [&session, device, attempt, reply] {
    std::uint64_t late = 0;
    const CUresult last = persist(session, device, [&] { return attempt(&late); });
    reply(last, late);
  });
}

CUresult mem_free(Session& session, const wire::MemFree& message) {
  if (message.address == 0 || session.graphs().free(message.address)) return CUDA_SUCCESS;
  Memory::Block block{};
  if (!session.memory().retire(message.address, &block)) return CUDA_ERROR_INVALID_VALUE;
  if (session.gpu_is_idle()) {
    session.memory().reclaim(message.address, block);
    if (block.size < session.granularity()) session.reclaimer().watch_slack();
  } else {
    session.reclaimer().add(message.address, block);
  }
  return CUDA_SUCCESS;
}

CUresult mem_info(Session& session, const wire::MemInfo&, wire::MemInfo::Reply& reply) {
  const Memory::Usage usage = session.memory().usage(session.current().device);
  reply.free_bytes = usage.free_bytes;
  reply.total_bytes = usage.total_bytes;
  return CUDA_SUCCESS;
}

void mem_create(Session& session, const wire::FrameHeader& request, const wire::MemCreate& message) {
  const unsigned device = session.ordinal(message.device);
  allocate_by(session, request, device, [&session, message, device] {
    return session.memory().create(message.memory, device, message.size);
  });
}

CUresult mem_release(Session& session, const wire::MemRelease& message) {
  return session.memory().release(message.memory);
}

CUresult mem_map(Session& session, const wire::MemMap& message) {
  return session.memory().map(message.address, message.size, message.offset, message.memory);
}

CUresult mem_unmap(Session& session, const wire::MemUnmap& message) {
  return session.memory().unmap(message.address, message.size);
}

CUresult mem_set_access(Session& session, const wire::MemSetAccess& message) {
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.location.id = session.device(message.device);
  access.flags = static_cast<CUmemAccess_flags>(message.access);
  if (!session.memory().in_client_half(message.address, message.size)) return CUDA_ERROR_INVALID_VALUE;
  return call(session.driver().cuMemSetAccess, message.address, message.size, &access, std::size_t{1});
}

}  // namespace

void add_memory_calls(CallTable& table) {
  table.serve<&mem_alloc>(wire::Opcode::MemAlloc);
  table.serve<&mem_free>(wire::Opcode::MemFree);
  table.serve<&mem_info>(wire::Opcode::MemInfo);
  table.serve<&mem_create>(wire::Opcode::MemCreate);
  table.serve<&mem_release>(wire::Opcode::MemRelease);
  table.serve<&mem_map>(wire::Opcode::MemMap);
  table.serve<&mem_unmap>(wire::Opcode::MemUnmap);
  table.serve<&mem_set_access>(wire::Opcode::MemSetAccess);
}

}  // namespace worker
