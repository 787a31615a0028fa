// SPDX-License-Identifier: BSD-3-Clause
// A CUDA driver that does nothing but keep memory. What it costs to call it through the shim is what the shim
// costs. Launches succeed and do nothing, copies are memcpy, virtual memory management works. Everything else
// answers CUDA_ERROR_NOT_SUPPORTED (null_stubs.c, generated); NULL_DRIVER_LOG=1 names it.
//
// With COPY_ENGINE large copies move nothing: on a GPU they take no time of a core's.
#define _GNU_SOURCE
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPage = 4096, kPopulateFrom = 1 << 20, kEngineFrom = 1 << 16, kMostParameters = 64 };
static const size_t kMemory = 32ull << 30;

// --- symbols: an unversioned name gives the newest function

static const struct {
  const char *name, *newest;
} kNames[] = {
#include "null_names.inc"
};

static void* lookup(const char* name) {
  Dl_info self;
  dladdr((void*)lookup, &self);
  void* library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  for (size_t i = 0; i < sizeof kNames / sizeof *kNames; i++) {
    void* found = strcmp(kNames[i].name, name) == 0 ? dlsym(library, kNames[i].newest) : NULL;
    if (found) return found;
  }
  return dlsym(library, name);
}

CUresult cuGetProcAddress_v2(const char* name, void** function, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult* status) {
  *function = lookup(name);
  if (status) *status = *function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetProcAddress(const char* name, void** function, int version, cuuint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, NULL);
}

CUresult cuGetExportTable(const void** table, const CUuuid* id) {
  *table = NULL;
  return CUDA_ERROR_NOT_FOUND;
}

// --- one device

CUresult cuInit(unsigned flags) { return CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int* version) { return *version = 13000, CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int* count) { return *count = 1, CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = 0;
  return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  return strncpy(name, "Null GPU", length), CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) { return *bytes = kMemory, CUDA_SUCCESS; }
CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return memset(uuid, 7, sizeof *uuid), CUDA_SUCCESS;
}
CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) { return cuDeviceGetUuid(uuid, device); }
CUresult cuDeviceGetPCIBusId(char* id, int length, CUdevice device) {
  return strncpy(id, "0000:00:00.0", length), CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = 9;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = 0;
      break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      *value = 32;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = 1024;
      break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = 132;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      *value = 48 << 10;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      *value = 227 << 10;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
      *value = 64 << 10;
      break;
    default:
      *value = 1;
  }
  return CUDA_SUCCESS;
}

// --- contexts: handles without a content

static __thread CUcontext current;
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return *context = (CUcontext)0x1000, CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) { return CUDA_SUCCESS; }
CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  *flags = 0;
  return *active = 1, CUDA_SUCCESS;
}
CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  return *context = current = (CUcontext)0x1001, CUDA_SUCCESS;
}
CUresult cuCtxDestroy_v2(CUcontext context) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext context) { return current = context, CUDA_SUCCESS; }
CUresult cuCtxGetCurrent(CUcontext* context) { return *context = current, CUDA_SUCCESS; }
CUresult cuCtxPushCurrent_v2(CUcontext context) { return cuCtxSetCurrent(context); }
CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  if (context) *context = current;
  return cuCtxSetCurrent(NULL);
}
CUresult cuCtxGetDevice(CUdevice* device) { return *device = 0, CUDA_SUCCESS; }
CUresult cuCtxSynchronize(void) { return CUDA_SUCCESS; }
CUresult cuCtxGetFlags(unsigned* flags) { return *flags = 0, CUDA_SUCCESS; }
CUresult cuCtxGetApiVersion(CUcontext context, unsigned* version) { return *version = 3020, CUDA_SUCCESS; }

// --- memory: every byte is real; large blocks are touched when allocated, so that copies are pure copies

CUresult cuMemGetInfo_v2(size_t* available, size_t* total) {
  *available = kMemory;
  return *total = kMemory, CUDA_SUCCESS;
}

static void* map_memory(size_t size, int flags) {
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

// The page before the block holds its size.
CUresult cuMemAlloc_v2(CUdeviceptr* pointer, size_t size) {
  const size_t mapped = (size + 2 * kPage - 1) & ~(size_t)(kPage - 1);
  char* memory = map_memory(mapped, size >= kPopulateFrom ? MAP_POPULATE : 0);
  if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
  *(size_t*)memory = mapped;
  return *pointer = (CUdeviceptr)(memory + kPage), CUDA_SUCCESS;
}
CUresult cuMemFree_v2(CUdeviceptr pointer) {
  char* memory = (char*)pointer - kPage;
  if (pointer) munmap(memory, *(size_t*)memory);
  return CUDA_SUCCESS;
}
CUresult cuMemHostAlloc(void** pointer, size_t size, unsigned flags) {
  *pointer = aligned_alloc(kPage, (size + kPage - 1) & ~(size_t)(kPage - 1));
  return *pointer ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemAllocHost_v2(void** pointer, size_t size) { return cuMemHostAlloc(pointer, size, 0); }
CUresult cuMemFreeHost(void* pointer) { return free(pointer), CUDA_SUCCESS; }
CUresult cuMemHostRegister_v2(void* pointer, size_t size, unsigned flags) { return CUDA_SUCCESS; }
CUresult cuMemHostUnregister(void* pointer) { return CUDA_SUCCESS; }
CUresult cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr pointer) {
  return CUDA_ERROR_INVALID_VALUE;
}

// --- virtual memory management

struct physical {
  int file;
  size_t size;
};

static const int kReserved = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

CUresult cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp* properties,
                                       CUmemAllocationGranularity_flags flags) {
  return *granularity = 2 << 20, CUDA_SUCCESS;
}
CUresult cuMemAddressReserve(CUdeviceptr* pointer, size_t size, size_t alignment, CUdeviceptr hint,
                             unsigned long long flags) {
  void* range = MAP_FAILED;
  if (hint) range = mmap((void*)hint, size, PROT_NONE, kReserved | MAP_FIXED_NOREPLACE, -1, 0);
  if (range == MAP_FAILED) range = mmap(NULL, size, PROT_NONE, kReserved, -1, 0);
  if (range == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  return *pointer = (CUdeviceptr)range, CUDA_SUCCESS;
}
CUresult cuMemAddressFree(CUdeviceptr pointer, size_t size) {
  return munmap((void*)pointer, size), CUDA_SUCCESS;
}
CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t size, const CUmemAllocationProp* properties,
                     unsigned long long flags) {
  struct physical* memory = malloc(sizeof *memory);
  memory->file = memfd_create("null-driver", MFD_CLOEXEC);
  memory->size = size;
  if (memory->file < 0 || ftruncate(memory->file, size)) return free(memory), CUDA_ERROR_OUT_OF_MEMORY;
  return *handle = (CUmemGenericAllocationHandle)memory, CUDA_SUCCESS;
}
CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  struct physical* memory = (struct physical*)handle;
  close(memory->file);
  return free(memory), CUDA_SUCCESS;
}
CUresult cuMemMap(CUdeviceptr pointer, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long flags) {
  const int file = ((struct physical*)handle)->file;
  void* at =
      mmap((void*)pointer, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, offset);
  return at == MAP_FAILED ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
CUresult cuMemUnmap(CUdeviceptr pointer, size_t size) {
  void* at = mmap((void*)pointer, size, PROT_NONE, kReserved | MAP_FIXED, -1, 0);
  return at == MAP_FAILED ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
CUresult cuMemSetAccess(CUdeviceptr pointer, size_t size, const CUmemAccessDesc* access, size_t count) {
  return CUDA_SUCCESS;
}

// --- copies

static CUresult copy(CUdeviceptr to, CUdeviceptr from, size_t size) {
#ifdef COPY_ENGINE
  if (size >= kEngineFrom) return CUDA_SUCCESS;
#endif
  return memmove((void*)to, (const void*)from, size), CUDA_SUCCESS;
}
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t size) {
  return copy(to, (CUdeviceptr)from, size);
}
CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t size) {
  return copy((CUdeviceptr)to, from, size);
}
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) { return copy(to, from, size); }
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t size, CUstream stream) {
  return copy(to, (CUdeviceptr)from, size);
}
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t size, CUstream stream) {
  return copy((CUdeviceptr)to, from, size);
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  return copy(to, from, size);
}
CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t size) {
  return memset((void*)to, value, size), CUDA_SUCCESS;
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, CUstream stream) {
  return cuMemsetD8_v2(to, value, size);
}

// --- streams and events: everything has always been done

CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  static uintptr_t next = 0x5000;
  return *stream = (CUstream)(next += 16), CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) { return CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream stream) { return CUDA_SUCCESS; }
CUresult cuStreamQuery(CUstream stream) { return CUDA_SUCCESS; }
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) { return CUDA_SUCCESS; }
CUresult cuEventCreate(CUevent* event, unsigned flags) {
  static uintptr_t next = 0x9000;
  return *event = (CUevent)(next += 16), CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) { return CUDA_SUCCESS; }
CUresult cuEventRecord(CUevent event, CUstream stream) { return CUDA_SUCCESS; }
CUresult cuEventQuery(CUevent event) { return CUDA_SUCCESS; }
CUresult cuEventSynchronize(CUevent event) { return CUDA_SUCCESS; }

// --- code: any image holds any kernel. Its name tells its parameters: "name__8_8_24" has three, of so many
// bytes. One that does not has the benchmark's (u64, u64, u64, u32).

static const CUmodule kModule = (CUmodule)0x2000;

struct kernel {
  struct kernel* next;
  char* name;
  unsigned parameters;
  struct {
    size_t offset, size;
  } at[kMostParameters];
};

static void read_parameters(struct kernel* kernel) {
  const char* sizes = strstr(kernel->name, "__");
  size_t end = 0;
  for (const char* rest = sizes ? sizes + 1 : "_8_8_8_4"; *rest == '_';) {
    char* after;
    const size_t size = strtoull(rest + 1, &after, 10);
    const size_t align = size % 8 == 0 ? 8 : size % 4 == 0 ? 4 : size % 2 == 0 ? 2 : 1;
    if (after == rest + 1 || kernel->parameters == kMostParameters) break;
    end = (end + align - 1) & ~(align - 1);
    kernel->at[kernel->parameters].offset = end;
    kernel->at[kernel->parameters++].size = size;
    end += size;
    rest = after;
  }
}

// The same for a name in every module: nothing is left of modules that come and go.
static struct kernel* kernel_of(const char* name) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static struct kernel* kernels;
  pthread_mutex_lock(&mutex);
  struct kernel* kernel = kernels;
  while (kernel != NULL && strcmp(kernel->name, name) != 0) kernel = kernel->next;
  if (kernel == NULL) {
    kernel = calloc(1, sizeof *kernel);
    kernel->name = strdup(name);
    read_parameters(kernel);
    kernel->next = kernels;
    kernels = kernel;
  }
  pthread_mutex_unlock(&mutex);
  return kernel;
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  return *mode = CU_MODULE_LAZY_LOADING, CUDA_SUCCESS;
}
CUresult cuModuleLoadData(CUmodule* module, const void* image) { return *module = kModule, CUDA_SUCCESS; }
CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned count, CUjit_option* options,
                            void** values) {
  return cuModuleLoadData(module, image);
}
CUresult cuModuleUnload(CUmodule module) { return CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  return *function = (CUfunction)kernel_of(name), CUDA_SUCCESS;
}
CUresult cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option* jit_options, void** jit_values,
                           unsigned jit_count, CUlibraryOption* options, void** values, unsigned count) {
  return *library = (CUlibrary)0x2100, CUDA_SUCCESS;
}
CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary library, const char* name) {
  return *kernel = (CUkernel)kernel_of(name), CUDA_SUCCESS;
}
CUresult cuLibraryGetModule(CUmodule* module, CUlibrary library) { return *module = kModule, CUDA_SUCCESS; }
CUresult cuLibraryUnload(CUlibrary library) { return CUDA_SUCCESS; }
CUresult cuKernelGetFunction(CUfunction* function, CUkernel kernel) {
  return *function = (CUfunction)kernel, CUDA_SUCCESS;
}
CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t* offset, size_t* size) {
  const struct kernel* kernel = (const struct kernel*)function;
  if (index >= kernel->parameters) return CUDA_ERROR_INVALID_VALUE;
  if (offset) *offset = kernel->at[index].offset;
  if (size) *size = kernel->at[index].size;
  return CUDA_SUCCESS;
}
CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t* offset, size_t* size) {
  return cuFuncGetParamInfo((CUfunction)kernel, index, offset, size);
}
CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  return *value = 0, CUDA_SUCCESS;
}
CUresult cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device) {
  return *value = 0, CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return CUDA_SUCCESS;
}
CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice device) {
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction function,
                                                              int block_threads, size_t shared_bytes,
                                                              unsigned flags) {
  return *blocks = 1, CUDA_SUCCESS;
}
CUresult cuFuncLoad(CUfunction function) { return CUDA_SUCCESS; }
CUresult cuFuncGetModule(CUmodule* module, CUfunction function) { return *module = kModule, CUDA_SUCCESS; }

static unsigned long launches;
CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void** parameters, void** extra) {
  __atomic_add_fetch(&launches, 1, __ATOMIC_RELAXED);
  return CUDA_SUCCESS;
}
CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** parameters,
                          void** extra) {
  __atomic_add_fetch(&launches, 1, __ATOMIC_RELAXED);
  return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char** text) { return *text = "error", CUDA_SUCCESS; }
CUresult cuGetErrorName(CUresult error, const char** name) { return *name = "CUDA_ERROR", CUDA_SUCCESS; }
