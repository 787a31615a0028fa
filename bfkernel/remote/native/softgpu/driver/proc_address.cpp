// SPDX-License-Identifier: BSD-3-Clause
// cuGetProcAddress. Names that softgpu does not implement are not found, as in an older driver.
#include <cstring>
#include <string>

#include "device.h"
#include "exports.h"

using namespace softgpu::driver;

namespace {

constexpr cuuint64_t kKnownFlags =
    CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;

// The newest form of the name that the version knows.
const ProcEntry* look_up(const char* symbol, int version, CUdriverProcAddressQueryResult* status) {
  const ProcEntry* best = nullptr;
  *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  for (size_t i = 0; i < kProcTableSize; ++i) {
    const ProcEntry& entry = kProcTable[i];
    if (std::strcmp(entry.name, symbol) != 0) continue;
    if (entry.version <= version && (!best || entry.version > best->version)) best = &entry;
    if (!best) *status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
  }
  if (best) *status = CU_GET_PROC_ADDRESS_SUCCESS;
  return best;
}

}  // namespace

SOFTGPU_API cuGetProcAddress_v2(const char* symbol, void** pfn, int cudaVersion, cuuint64_t flags,
                                CUdriverProcAddressQueryResult* symbolStatus) {
  return guarded([&] {
    require(symbol != nullptr && pfn != nullptr && (flags & ~kKnownFlags) == 0);
    CUdriverProcAddressQueryResult status;
    const ProcEntry* entry = look_up(symbol, cudaVersion, &status);
    if (symbolStatus) *symbolStatus = status;
    *pfn = nullptr;
    require(entry != nullptr, CUDA_ERROR_NOT_FOUND);
    bool per_thread = (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) && entry->per_thread;
    *pfn = per_thread ? entry->per_thread : entry->function;
  });
}

SOFTGPU_API cuGetProcAddress(const char* symbol, void** pfn, int cudaVersion, cuuint64_t flags) {
  return cuGetProcAddress_v2(symbol, pfn, cudaVersion, flags, nullptr);
}

// NVIDIA's private tables: an emulated driver has none.
SOFTGPU_API cuGetExportTable(const void** ppExportTable, const CUuuid*) {
  if (ppExportTable) *ppExportTable = nullptr;
  return CUDA_ERROR_NOT_FOUND;
}
