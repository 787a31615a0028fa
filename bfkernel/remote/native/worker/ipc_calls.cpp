// SPDX-License-Identifier: BSD-3-Clause
// Memory and events that other processes of the lease opened, or are to open.
#include "wire/ipc_messages.h"
#include "worker/calls.h"

namespace worker {
namespace {

CUresult get_memory(Session& session, const wire::IpcGetMemory& message, wire::IpcGetMemory::Reply& reply) {
  if (!session.memory().lendable(message.address, message.size)) return CUDA_ERROR_INVALID_VALUE;
  return session.sharing().name_memory(message.address, message.size, &reply.handle);
}

CUresult forget_memory(Session& session, const wire::IpcForgetMemory& message) {
  session.sharing().forget_memory(message.address);
  return CUDA_SUCCESS;
}

CUresult open_memory(Session& session, const wire::IpcOpenMemory& message,
                     wire::IpcOpenMemory::Reply& reply) {
  session.current();
  return session.sharing().open_memory(message.handle, reply);
}

// The GPU may still be at work on it, and a host function of the client's may be what it waits for.
void close_memory(Session& session, const wire::FrameHeader& request, const wire::IpcCloseMemory& message) {
  session.detach(request, [&session, request, address = message.address] {
    const CUresult result = call(session.driver().cuCtxSynchronize);
    if (result != CUDA_SUCCESS) return session.answer(request, result);
    const auto gone = session.sharing().close_memory(address);
    if (!gone) return session.answer(request, CUDA_ERROR_INVALID_VALUE);
    session.answer(request, CUDA_SUCCESS, {encoded(wire::IpcCloseMemory::Reply{*gone})});
  });
}

CUresult get_event(Session& session, const wire::IpcGetEvent& message, wire::IpcGetEvent::Reply& reply) {
  session.current();
  CUipcEventHandle handle{};
  const auto event = session.handle<CUevent>(wire::Kind::event, message.event);
  const CUresult result = call(session.driver().cuIpcGetEventHandle, &handle, event);
  if (result == CUDA_SUCCESS) reply.handle = session.sharing().name_event(message.event, handle);
  return result;
}

CUresult open_event(Session& session, const wire::IpcOpenEvent& message) {
  session.current();
  CUipcEventHandle handle{};
  CUresult result = session.sharing().find_event(message.handle, &handle);
  if (result != CUDA_SUCCESS) return result;
  CUevent event = nullptr;
  result = call(session.driver().cuIpcOpenEventHandle, &event, handle);
  if (result == CUDA_SUCCESS) session.adopt(wire::Kind::event, message.event, event);
  return result;
}

}  // namespace

void add_ipc_calls(CallTable& table) {
  table.serve<&get_memory>(wire::Opcode::IpcGetMemory);
  table.serve<&forget_memory>(wire::Opcode::IpcForgetMemory);
  table.serve<&open_memory>(wire::Opcode::IpcOpenMemory);
  table.serve<&close_memory>(wire::Opcode::IpcCloseMemory);
  table.serve<&get_event>(wire::Opcode::IpcGetEvent);
  table.serve<&open_event>(wire::Opcode::IpcOpenEvent);
}

}  // namespace worker
