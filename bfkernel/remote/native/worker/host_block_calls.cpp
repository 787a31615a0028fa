// SPDX-License-Identifier: BSD-3-Clause
// Copies between the device and memory that a client on this machine shares with us: its own page-locked
// memory, and the staging of large copies. No byte of them is touched here.
#include "wire/host_block_messages.h"
#include "wire/memory_messages.h"
#include "wire/unix_socket.h"
#include "worker/calls.h"
#include "worker/reached.h"

namespace worker {
namespace {

// The client has sent it before the frame.
constexpr auto kPatience = std::chrono::seconds(1);

CUresult open(Session& session, const wire::HostBlockOpen& message) {
  const int line = session.local_line();
  if (line < 0) throw wire::Malformed("a host block comes from a client that shares no memory");
  const wire::Letter letter = wire::receive_letter(line, kPatience);
  if (!letter.descriptor) throw wire::Malformed("a host block has no memory");
  return session.host_blocks().open(message.block, message.size, letter.descriptor.get());
}

// The driver may wait for the GPU while the registration ends.
CUresult close(Session& session, const wire::HostBlockClose& message) {
  auto block = session.host_blocks().close(message.block);
  if (block == nullptr) return CUDA_ERROR_INVALID_VALUE;
  session.later([block = std::move(block)]() mutable { block.reset(); });
  return CUDA_SUCCESS;
}

CUresult copy(Session& session, const wire::HostBlockCopy& message) {
  const auto stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  session.current();
  session.check_device(message.device, message.size);
  std::byte* host = session.host_blocks()
                        .find(message.block)
                        .at(message.offset, message.size, session.downloads().ended_contexts());
  if (message.size == 0) return CUDA_SUCCESS;
  switch (message.direction) {
    case wire::Direction::to_device:
      return call(session.driver().cuMemcpyHtoDAsync_v2, message.device, host, message.size, stream);
    case wire::Direction::to_host:
      return call(session.driver().cuMemcpyDtoHAsync_v2, host, message.device, message.size, stream);
    case wire::Direction::on_device:
      break;
  }
  throw wire::Malformed("a copy has a direction that does not exist");
}

void copies_done(Session& session, const wire::FrameHeader& request,
                 const wire::HostBlockCopiesDone& message) {
  const auto stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  when_reached(session, request, stream,
               [&session, request](CUresult result) { session.answer(request, result); });
}

}  // namespace

void add_host_block_calls(CallTable& table) {
  table.serve<&open>(wire::Opcode::HostBlockOpen);
  table.serve<&close>(wire::Opcode::HostBlockClose);
  table.serve<&copy>(wire::Opcode::HostBlockCopy);
  table.serve<&copies_done>(wire::Opcode::HostBlockCopiesDone);
}

}  // namespace worker
