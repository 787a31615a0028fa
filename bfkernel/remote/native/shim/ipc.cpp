// SPDX-License-Identifier: BSD-3-Clause
// Memory and events of another process of the same lease (cuIpc*).
#include "shim/api.h"
#include "shim/events.h"
#include "shim/memory.h"
#include "shim/request.h"
#include "wire/ipc_messages.h"

namespace shim {
namespace {

wire::IpcHandle unwrap(const char (&bytes)[64], uint32_t what) {
  wire::IpcHandle handle;
  std::memcpy(&handle, bytes, sizeof handle);
  require(handle.what == what, CUDA_ERROR_INVALID_VALUE);
  return handle;
}

}  // namespace

namespace api {

CUresult cuIpcGetMemHandle(CUipcMemHandle* pHandle, CUdeviceptr dptr) {
  require(pHandle);
  const auto allocation = memory::find(dptr);
  require(allocation.has_value(), CUDA_ERROR_INVALID_VALUE);
  const auto reply = call(wire::IpcGetMemory{allocation->address, allocation->size}, Context::current);
  memory::set_named(allocation->address);
  std::memcpy(pHandle->reserved, &reply.handle, sizeof reply.handle);
  return CUDA_SUCCESS;
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr* pdptr, CUipcMemHandle handle, unsigned int Flags) {
  require(pdptr);
  require((Flags & ~unsigned{CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS}) == 0, CUDA_ERROR_INVALID_VALUE);
  ContextObject* context = contexts::home();
  const wire::IpcOpenMemory message{unwrap(handle.reserved, wire::IpcHandle::kMemory)};
  const auto reply = call(message, Context::current, Deferred::keep);
  *pdptr = reply.address;
  // Opened again, it is where it was.
  if (!memory::find(reply.address)) {
    memory::add({.address = reply.address,
                 .size = reply.size,
                 .origin = memory::Origin::shared,
                 .context = context,
                 .device = reply.device});
  }
  return CUDA_SUCCESS;
}

CUresult cuIpcCloseMemHandle(CUdeviceptr dptr) {
  const auto allocation = memory::find(dptr);
  const bool ours = allocation && allocation->address == dptr && allocation->origin == memory::Origin::shared;
  require(ours, CUDA_ERROR_INVALID_VALUE);
  const auto reply = call(wire::IpcCloseMemory{dptr}, Context::current);
  if (reply.gone != 0) memory::remove(dptr);
  return CUDA_SUCCESS;
}

CUresult cuIpcGetEventHandle(CUipcEventHandle* pHandle, CUevent event) {
  require(pHandle);
  const auto reply = call(wire::IpcGetEvent{id_of(event)}, Context::current);
  events::note_foreign(event);
  std::memcpy(pHandle->reserved, &reply.handle, sizeof reply.handle);
  return CUDA_SUCCESS;
}

CUresult cuIpcOpenEventHandle(CUevent* phEvent, CUipcEventHandle handle) {
  require(phEvent);
  contexts::current();
  const wire::IpcHandle name = unwrap(handle.reserved, wire::IpcHandle::kEvent);
  const CUevent event = create<CUevent>();
  try {
    call_plain(wire::IpcOpenEvent{id_of(event), name}, Context::current);
    events::note_foreign(event);
  } catch (const Failure&) {
    release(event);
    throw;
  }
  *phEvent = event;
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
