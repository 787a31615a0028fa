// SPDX-License-Identifier: BSD-3-Clause
// A CUDA driver that computes nothing: memory is memory of this process, copies are memcpy, and three kernels
// stand for what kernels do to the worker. "sleep" keeps its stream busy for as many microseconds as its u32
// parameter says, "print" has text for standard output at the next synchronisation, "fault" ends the context.
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <thread>

#pragma GCC visibility push(default)

namespace {

using Clock = std::chrono::steady_clock;

struct Physical {
  int fd;
  size_t size;
};
struct Stream {
  std::atomic<Clock::rep> busy_until{0};
};
struct Event {
  std::atomic<Clock::rep> done_at{0};
};
struct Module {
  bool broken = false;
  char variable[64] = {};
};

constexpr size_t kGranularity = 2 << 20;
Stream null_stream;
std::atomic<int> prints{0};
std::atomic<CUresult> fault{CUDA_SUCCESS};
std::atomic<long> live_physical{0};
std::atomic<unsigned> waits{0};
thread_local CUcontext current;
const char* kKernels[] = {"sleep", "print", "fault"};

Stream* stream_of(CUstream stream) {
  return reinterpret_cast<uintptr_t>(stream) <= 2 ? &null_stream : reinterpret_cast<Stream*>(stream);
}
Clock::rep now() { return Clock::now().time_since_epoch().count(); }
CUresult status(Clock::rep until) {
  return fault != CUDA_SUCCESS ? fault.load() : until > now() ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUresult wait(Clock::rep until) {
  std::this_thread::sleep_until(Clock::time_point(Clock::duration(until)));
  for (int count = prints.exchange(0); count > 0; --count) std::printf("hello from the device\n");
  waits.fetch_add(1, std::memory_order_release);
  return fault;
}

// A stream or an event that one thread waited for ends on another: the first one's answer went to the
// client, whose next call came to the second. A sanitizer does not look into other processes, so say it here,
// as CUDA's driver does with locks of its own.
template <typename Object>
CUresult destroy(Object* object) {
  waits.load(std::memory_order_acquire);
  return delete object, CUDA_SUCCESS;
}

CUresult ready() { return current == nullptr ? CUDA_ERROR_INVALID_CONTEXT : fault.load(); }

}  // namespace

extern "C" {

CUresult cuInit(unsigned) { return std::getenv("NULLDRIVER_FAIL") ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int* version) { return *version = 13000, CUDA_SUCCESS; }
CUresult cuGetErrorName(CUresult, const char** name) { return *name = "CUDA_ERROR", CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int* count) {
  const char* wanted = std::getenv("NULLDRIVER_GPUS");
  return *count = wanted ? std::atoi(wanted) : 1, CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int ordinal) { return *device = ordinal, CUDA_SUCCESS; }
CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  return std::snprintf(name, size, "Null GPU"), CUDA_SUCCESS;
}
CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  return std::memset(uuid, 7 + device, sizeof *uuid), CUDA_SUCCESS;
}
CUresult cuDeviceGetPCIBusId(char* id, int size, CUdevice device) {
  return std::snprintf(id, size, "0000:%02x:00.0", device), CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  return *value = attribute, CUDA_SUCCESS;
}
CUresult cuDeviceCanAccessPeer(int* can, CUdevice, CUdevice) { return *can = 1, CUDA_SUCCESS; }

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return *context = reinterpret_cast<CUcontext>(0x1000ull + device), CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }
CUresult cuDevicePrimaryCtxReset_v2(CUdevice) { return fault = CUDA_SUCCESS, CUDA_SUCCESS; }
// A device that failed works again when the last context is gone; here, when somebody says so.
void nulldriver_recover() { fault = CUDA_SUCCESS; }
CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice) {
  static std::atomic<uintptr_t> next{0x2000};
  return *context = current = reinterpret_cast<CUcontext>(next++), CUDA_SUCCESS;
}
CUresult cuCtxDestroy_v2(CUcontext) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext context) { return current = context, CUDA_SUCCESS; }
CUresult cuCtxGetCurrent(CUcontext* context) { return *context = current, CUDA_SUCCESS; }
CUresult cuCtxSynchronize() { return current ? wait(null_stream.busy_until) : CUDA_ERROR_INVALID_CONTEXT; }

CUresult cuMemGetAllocationGranularity(size_t* size, const CUmemAllocationProp*,
                                       CUmemAllocationGranularity_flags) {
  return *size = kGranularity, CUDA_SUCCESS;
}
CUresult cuMemAddressReserve(CUdeviceptr* address, size_t size, size_t alignment, CUdeviceptr hint,
                             unsigned long long) {
#ifdef __SANITIZE_THREAD__
  hint = 0;  // ThreadSanitizer allows mappings in few places
#endif
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* found =
      hint ? mmap(reinterpret_cast<void*>(hint), size, PROT_NONE, kFlags | MAP_FIXED_NOREPLACE, -1, 0)
           : MAP_FAILED;
  if (found == MAP_FAILED) {
    // Without the hint, anywhere; aligned by reserving more than is wanted.
    found = mmap(nullptr, size + alignment, PROT_NONE, kFlags, -1, 0);
    if (found == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    found =
        reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(found) + alignment - 1) / alignment * alignment);
  }
  return *address = reinterpret_cast<CUdeviceptr>(found), CUDA_SUCCESS;
}
CUresult cuMemAddressFree(CUdeviceptr address, size_t size) {
  return munmap(reinterpret_cast<void*>(address), size), CUDA_SUCCESS;
}
CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t size, const CUmemAllocationProp*,
                     unsigned long long) {
  auto* made = new (std::nothrow) Physical{memfd_create("nulldriver", MFD_CLOEXEC), size};
  if (made == nullptr || ftruncate(made->fd, static_cast<off_t>(size)) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
  ++live_physical;
  return *handle = reinterpret_cast<uintptr_t>(made), CUDA_SUCCESS;
}
CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  auto* made = reinterpret_cast<Physical*>(handle);
  close(made->fd);
  delete made;
  --live_physical;
  return CUDA_SUCCESS;
}
CUresult cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long) {
  const auto* made = reinterpret_cast<Physical*>(handle);
  void* found = mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                     made->fd, static_cast<off_t>(offset));
  return found == MAP_FAILED ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
CUresult cuMemUnmap(CUdeviceptr address, size_t size) {
  void* found = mmap(reinterpret_cast<void*>(address), size, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return found == MAP_FAILED ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
CUresult cuMemSetAccess(CUdeviceptr, size_t, const CUmemAccessDesc*, size_t) { return CUDA_SUCCESS; }

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t size, CUstream) {
  if (const CUresult result = ready()) return result;
  return std::memcpy(reinterpret_cast<void*>(to), from, size), CUDA_SUCCESS;
}
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t size, CUstream) {
  if (const CUresult result = ready()) return result;
  return std::memcpy(to, reinterpret_cast<void*>(from), size), CUDA_SUCCESS;
}
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) {
  if (const CUresult result = ready()) return result;
  if (size == 0) return CUDA_SUCCESS;
  return std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), size), CUDA_SUCCESS;
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream) {
  return cuMemcpyDtoD_v2(to, from, size);
}
CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* copy, CUstream) {
  if (const CUresult result = ready()) return result;
  if (copy->srcMemoryType == CU_MEMORYTYPE_ARRAY || copy->dstMemoryType == CU_MEMORYTYPE_ARRAY)
    return CUDA_SUCCESS;
  const auto* source = copy->srcMemoryType == CU_MEMORYTYPE_HOST
                           ? static_cast<const char*>(copy->srcHost)
                           : reinterpret_cast<const char*>(copy->srcDevice);
  auto* target = copy->dstMemoryType == CU_MEMORYTYPE_HOST ? static_cast<char*>(copy->dstHost)
                                                           : reinterpret_cast<char*>(copy->dstDevice);
  for (size_t z = 0; copy->WidthInBytes != 0 && z < copy->Depth; ++z) {
    for (size_t y = 0; y < copy->Height; ++y) {
      std::memmove(target + (z * copy->dstHeight + y) * copy->dstPitch,
                   source + (z * copy->srcHeight + y) * copy->srcPitch, copy->WidthInBytes);
    }
  }
  return CUDA_SUCCESS;
}
CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t size) {
  if (const CUresult result = ready()) return result;
  return std::memset(reinterpret_cast<void*>(to), value, size), CUDA_SUCCESS;
}
CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count) {
  if (const CUresult result = ready()) return result;
  for (size_t i = 0; i < count; ++i) std::memcpy(reinterpret_cast<char*>(to) + 4 * i, &value, 4);
  return CUDA_SUCCESS;
}

// A device of 16 multiprocessors, of which a part is its number of them.
CUresult cuDeviceGetDevResource(CUdevice, CUdevResource* resource, CUdevResourceType type) {
  if (type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  resource->type = type;
  return resource->sm.smCount = 16, CUDA_SUCCESS;
}
CUresult cuDevSmResourceSplitByCount(CUdevResource* made, unsigned* groups, const CUdevResource* input,
                                     CUdevResource* rest, unsigned, unsigned least) {
  const unsigned each = std::max(least, 1u);
  *groups = made != nullptr ? std::min(*groups, input->sm.smCount / each) : input->sm.smCount / each;
  for (unsigned i = 0; made != nullptr && i < *groups; ++i) made[i] = *input, made[i].sm.smCount = each;
  if (rest != nullptr) *rest = *input, rest->sm.smCount -= *groups * each;
  return CUDA_SUCCESS;
}
CUresult cuDevSmResourceSplit(CUdevResource* made, unsigned groups, const CUdevResource* input,
                              CUdevResource* rest, unsigned, CU_DEV_SM_RESOURCE_GROUP_PARAMS* wanted) {
  for (unsigned i = 0; made != nullptr && i < groups; ++i)
    made[i] = *input, made[i].sm.smCount = wanted[i].smCount;
  if (rest != nullptr) *rest = *input;
  return CUDA_SUCCESS;
}
CUresult cuDevResourceGenerateDesc(CUdevResourceDesc* made, CUdevResource* parts, unsigned count) {
  for (unsigned i = 0; i < count; ++i)
    if (parts[i].type != CU_DEV_RESOURCE_TYPE_SM) std::abort();  // it was made up
  return *made = reinterpret_cast<CUdevResourceDesc>(uintptr_t{0x3000}), CUDA_SUCCESS;
}
CUresult cuGreenCtxCreate(CUgreenCtx* made, CUdevResourceDesc, CUdevice, unsigned) {
  return *made = reinterpret_cast<CUgreenCtx>(new char), CUDA_SUCCESS;
}
CUresult cuGreenCtxDestroy(CUgreenCtx context) {
  return delete reinterpret_cast<char*>(context), CUDA_SUCCESS;
}
CUresult cuCtxFromGreenCtx(CUcontext* made, CUgreenCtx context) {
  return *made = reinterpret_cast<CUcontext>(context), CUDA_SUCCESS;
}
CUresult cuGreenCtxRecordEvent(CUgreenCtx, CUevent event) {
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  return reinterpret_cast<Event*>(event)->done_at = now(), ready();
}
CUresult cuGreenCtxStreamCreate(CUstream* stream, CUgreenCtx, unsigned, int) {
  return *stream = reinterpret_cast<CUstream>(new Stream), CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream* stream, unsigned) {
  return *stream = reinterpret_cast<CUstream>(new Stream), CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) { return destroy(stream_of(stream)); }
CUresult cuStreamQuery(CUstream stream) { return status(stream_of(stream)->busy_until); }
CUresult cuStreamSynchronize(CUstream stream) { return wait(stream_of(stream)->busy_until); }
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned) { return CUDA_SUCCESS; }
CUresult cuEventCreate(CUevent* event, unsigned) {
  return *event = reinterpret_cast<CUevent>(new Event), CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) { return destroy(reinterpret_cast<Event*>(event)); }
CUresult cuEventRecord(CUevent event, CUstream stream) {
  reinterpret_cast<Event*>(event)->done_at = stream_of(stream)->busy_until.load();
  return ready();
}
CUresult cuEventQuery(CUevent event) { return status(reinterpret_cast<Event*>(event)->done_at); }
CUresult cuEventSynchronize(CUevent event) { return wait(reinterpret_cast<Event*>(event)->done_at); }

// An image that says "slow" takes its time, one that says "broken" does not load; both as a compiler would.
CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count, CUjit_option* options,
                            void** values) {
  if (std::strstr(static_cast<const char*>(image), "slow") && std::getenv("NULLDRIVER_MOST_US") == nullptr)
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  if (std::strstr(static_cast<const char*>(image), "broken")) {
    char* log = nullptr;
    size_t size = 0;
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log = static_cast<char*>(values[i]);
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) size = reinterpret_cast<uintptr_t>(values[i]);
    }
    if (log != nullptr) std::snprintf(log, size, "line 1: broken");
    return CUDA_ERROR_INVALID_PTX;
  }
  return *module = reinterpret_cast<CUmodule>(new Module), CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule module) { return delete reinterpret_cast<Module*>(module), CUDA_SUCCESS; }
CUresult cuModuleGetFunctionCount(unsigned* count, CUmodule) {
  if (std::getenv("NULLDRIVER_OLD")) return CUDA_ERROR_NOT_SUPPORTED;
  return *count = 3, CUDA_SUCCESS;
}
CUresult cuModuleEnumerateFunctions(CUfunction* functions, unsigned count, CUmodule) {
  for (unsigned i = 0; i < count && i < 3; ++i) functions[i] = reinterpret_cast<CUfunction>(&kKernels[i]);
  return CUDA_SUCCESS;
}
CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  for (const char*& kernel : kKernels) {
    if (std::strcmp(kernel, name) == 0)
      return *function = reinterpret_cast<CUfunction>(&kernel), CUDA_SUCCESS;
  }
  return CUDA_ERROR_NOT_FOUND;
}
CUresult cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* size, CUmodule module, const char* name) {
  if (module == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (std::strcmp(name, "variable") != 0) return CUDA_ERROR_NOT_FOUND;
  *address = reinterpret_cast<CUdeviceptr>(reinterpret_cast<Module*>(module)->variable);
  return *size = sizeof Module::variable, CUDA_SUCCESS;
}
CUresult cuFuncGetName(const char** name, CUfunction function) {
  return *name = *reinterpret_cast<const char* const*>(function), CUDA_SUCCESS;
}
CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t* offset, size_t* size) {
  if (std::getenv("NULLDRIVER_OLD")) return CUDA_ERROR_NOT_SUPPORTED;
  const bool sleeps = reinterpret_cast<const char* const*>(function) == &kKernels[0];
  if (!sleeps || index > 0) return CUDA_ERROR_INVALID_VALUE;
  return *offset = 0, *size = 4, CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction) {
  return *value = attribute, CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                        unsigned, CUstream stream, void**, void** extra) {
  if (const CUresult result = ready()) return result;
  const std::string name = *reinterpret_cast<const char* const*>(function);
  if (name == "print") ++prints;
  if (name == "fault") fault = CUDA_ERROR_ILLEGAL_ADDRESS;
  if (name == "sleep") {
    unsigned us = 0;
    std::memcpy(&us, extra[1], sizeof us);
    static const char* const most = std::getenv("NULLDRIVER_MOST_US");
    if (most != nullptr) us = std::min(us, static_cast<unsigned>(std::atoi(most)));
    stream_of(stream)->busy_until = now() + Clock::duration(std::chrono::microseconds(us)).count();
  }
  return CUDA_SUCCESS;
}
CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** params, void** extra) {
  return cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, config->hStream, params, extra);
}

// Arrays hold nothing: what reaches them is counted, copies are not made.
CUresult cuArray3DCreate_v2(CUarray* array, const CUDA_ARRAY3D_DESCRIPTOR*) {
  return *array = reinterpret_cast<CUarray>(new char), CUDA_SUCCESS;
}
CUresult cuArrayDestroy(CUarray array) { return delete reinterpret_cast<char*>(array), CUDA_SUCCESS; }
CUresult cuTexObjectCreate(CUtexObject* object, const CUDA_RESOURCE_DESC*, const CUDA_TEXTURE_DESC*,
                           const CUDA_RESOURCE_VIEW_DESC*) {
  static std::atomic<CUtexObject> last{0};
  return *object = ++last, CUDA_SUCCESS;
}
CUresult cuTexObjectDestroy(CUtexObject) { return CUDA_SUCCESS; }
CUresult cuStreamBatchMemOp_v2(CUstream, unsigned, CUstreamBatchMemOpParams*, unsigned) { return ready(); }
CUresult cuStreamSetAttribute(CUstream, CUstreamAttrID, const CUstreamAttrValue*) { return ready(); }

// How many pieces of physical memory exist, for tests that look for leaks.
long nulldriver_live_physical() { return live_physical; }
}
