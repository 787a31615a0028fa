// SPDX-License-Identifier: BSD-3-Clause
// cuIpc*: memory and events of other processes on this machine.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "capture.h"
#include "current.h"
#include "event.h"
#include "ipc_file.h"
#include "memory.h"

using namespace softgpu::driver;

namespace {

enum class HandleKind : uint32_t { memory = 0x6d656d01, event = 0x65767401 };

// What lies in the 64 bytes of a handle.
struct Contents {
  HandleKind kind;
  int32_t process;
  int32_t file;
  int32_t device;  // on the machine
  IpcToken token;
  uint64_t offset;
  uint64_t size;
};
static_assert(sizeof(Contents) <= CU_IPC_HANDLE_SIZE);

template <typename Handle>
Handle make_handle(const Contents& contents) {
  Handle handle = {};
  std::memcpy(&handle, &contents, sizeof contents);
  return handle;
}

template <typename Handle>
Contents contents_of(const Handle& handle, HandleKind kind) {
  Contents contents;
  std::memcpy(&contents, &handle, sizeof contents);
  require(contents.kind == kind, CUDA_ERROR_INVALID_HANDLE);
  // As with NVIDIA's driver, a process does not open what is its own.
  require(contents.process != getpid(), CUDA_ERROR_INVALID_CONTEXT);
  return contents;
}

constexpr uint64_t kPage = 4096;

// Maps the pages around [offset, offset + size) of a file. Returns the address of `offset`.
uint64_t map_part(const IpcFile& file, uint64_t offset, uint64_t size) {
  require(size > 0 && offset <= file.size() && size <= file.size() - offset, CUDA_ERROR_INVALID_HANDLE);
  uint64_t begin = offset / kPage * kPage;
  void* place = mmap(nullptr, offset + size - begin, PROT_READ | PROT_WRITE, MAP_SHARED, file.file(),
                     static_cast<off_t>(begin));
  require(place != MAP_FAILED, CUDA_ERROR_MAP_FAILED);
  madvise(place, offset + size - begin, MADV_DONTFORK);
  return reinterpret_cast<uint64_t>(place) + offset - begin;
}

}  // namespace

SOFTGPU_API cuIpcGetMemHandle(CUipcMemHandle* pHandle, CUdeviceptr dptr) {
  return with_context([&](Context&) {
    require(pHandle != nullptr);
    not_in_unsafe_capture();
    std::optional<Range> range = AddressSpace::instance().find(dptr);
    require(range && range->kind == RangeKind::device && !range->internal);
    Device& device = Driver::get().device(range->device);
    SharedPart part = share(device, range->begin, range->size());
    *pHandle = make_handle<CUipcMemHandle>({HandleKind::memory, getpid(), part.file->file(), device.physical,
                                            part.file->token(), part.offset, range->size()});
  });
}

SOFTGPU_API cuIpcOpenMemHandle_v2(CUdeviceptr* pdptr, CUipcMemHandle handle, unsigned int Flags) {
  return with_context([&](Context& context) {
    require(pdptr != nullptr && (Flags & ~static_cast<unsigned>(CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)) == 0);
    not_in_unsafe_capture();
    Contents contents = contents_of(handle, HandleKind::memory);
    require(contents.device == context.device.physical, CUDA_ERROR_INVALID_DEVICE);
    IpcFile file(contents.process, contents.file, contents.token);
    Range range;
    range.begin = map_part(file, contents.offset, contents.size);
    range.end = range.begin + contents.size;
    range.kind = RangeKind::imported;
    range.device = context.device.ordinal;
    range.access = 1u << context.device.ordinal;
    range.context = context.id;
    *pdptr = range.begin;
    AddressSpace::instance().insert(std::move(range));
  });
}

SOFTGPU_API cuIpcCloseMemHandle(CUdeviceptr dptr) {
  return with_context([&](Context&) {
    not_in_unsafe_capture();
    Driver::get().drain();
    std::optional<Range> range = AddressSpace::instance().remove(
        dptr, [](const Range& found) { return found.kind == RangeKind::imported; });
    require(range.has_value());
    release(*range);
  });
}

SOFTGPU_API cuIpcGetEventHandle(CUipcEventHandle* pHandle, CUevent event) {
  return with_context([&](Context& context) {
    require(pHandle != nullptr);
    std::shared_ptr<SharedEvent> shared = registry<Event>().get(event)->shared;
    require(shared != nullptr);
    *pHandle = make_handle<CUipcEventHandle>({HandleKind::event, getpid(), shared->file().file(),
                                              context.device.physical, shared->file().token(), 0, 0});
  });
}

SOFTGPU_API cuIpcOpenEventHandle(CUevent* phEvent, CUipcEventHandle handle) {
  return with_context([&](Context& context) {
    require(phEvent != nullptr);
    Contents contents = contents_of(handle, HandleKind::event);
    auto shared = std::make_shared<SharedEvent>(
        std::make_unique<IpcFile>(contents.process, contents.file, contents.token));
    auto event = std::make_shared<Event>(context.weak_from_this(),
                                         CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING, std::move(shared));
    *phEvent = registry<Event>().add<CUevent>(std::move(event));
  });
}
