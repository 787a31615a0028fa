// SPDX-License-Identifier: BSD-3-Clause
#include "shim/host_blocks.h"

#include <sys/mman.h>

#include <mutex>
#include <optional>
#include <system_error>

#include "shim/request.h"
#include "wire/host_block_messages.h"
#include "wire/sealed_file.h"
#include "wire/unix_socket.h"

namespace shim::host_blocks {
namespace {

// The file on the line and the frame that speaks of it keep the same order.
std::mutex& sending = *new std::mutex;

bool open_at_worker(uint64_t block, uint64_t size, int file) {
  const std::lock_guard lock(sending);
  if (!wire::send_letter(connection().line(), "block", file)) return false;
  Request request(Opcode::HostBlockOpen, Context::any);
  request.fields(wire::HostBlockOpen{block, size});
  Pending pending;
  return request.wait(pending) == CUDA_SUCCESS;
}

}  // namespace

Allocation allocate(uint64_t size) {
  if (!connection().segment()) return {};
  void* memory = MAP_FAILED;
  const uint64_t block = next_id();
  try {
    const wire::Fd file = wire::make_sealed_file(size);
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) return {};
    if (open_at_worker(block, size, file.get())) return {memory, block};
  } catch (const std::system_error&) {
    return {};  // the system has none
  }
  munmap(memory, size);
  return {};
}

void release(const Allocation& allocation, uint64_t size) {
  munmap(allocation.memory, size);
  post(wire::HostBlockClose{allocation.block});
}

void copy(wire::Direction direction, uint64_t device, CUstream stream, Place place, uint64_t size) {
  Request request(Opcode::HostBlockCopy, Context::current);
  request.in_context(context_of(stream));
  request.fields(wire::HostBlockCopy{direction, device, id_of(stream), place.block, place.offset, size});
  request.post();
}

void ask_when_done(CUstream stream, Pending& pending) {
  Request request(Opcode::HostBlockCopiesDone, Context::current);
  request.in_context(context_of(stream));
  request.fields(wire::HostBlockCopiesDone{id_of(stream)});
  request.send(pending);
}

uint64_t wait_until_done(CUstream stream) {
  Request request(Opcode::HostBlockCopiesDone, Context::current);
  request.in_context(context_of(stream));
  request.fields(wire::HostBlockCopiesDone{id_of(stream)});
  Pending pending;
  const CUresult result = request.wait(pending);
  require(result == CUDA_SUCCESS, result);
  return pending.sequence;
}

}  // namespace shim::host_blocks
