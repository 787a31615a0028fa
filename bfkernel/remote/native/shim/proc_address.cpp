// SPDX-License-Identifier: BSD-3-Clause
// cuGetProcAddress: which symbol a name means for a program built against a given CUDA version.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "shim/api.h"
#include "shim/failure.h"

namespace shim {
namespace {

struct Entry {
  const char* name;
  int version;  // the form exists since this CUDA version
  bool per_thread;
  void* symbol;
};

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
const Entry kEntries[] = {
#include "shim_proc_addresses.inc"
};

struct ByName {
  bool operator()(const Entry& entry, const char* name) const { return std::strcmp(entry.name, name) < 0; }
  bool operator()(const char* name, const Entry& entry) const { return std::strcmp(name, entry.name) < 0; }
};

// The newest form that is no newer than the version. Of equally new ones the per-thread form, where that is
// asked for.
const Entry* choose(const Entry* begin, const Entry* end, int version, bool per_thread) {
  const Entry* best = nullptr;
  for (const Entry* entry = begin; entry != end; ++entry) {
    if (entry->version > version || (entry->per_thread && !per_thread)) continue;
    if (!best || entry->version > best->version || (entry->version == best->version && entry->per_thread))
      best = entry;
  }
  return best;
}

CUresult find(const char* symbol, void** pfn, int version, cuuint64_t flags,
              CUdriverProcAddressQueryResult* status) {
  require(symbol);
  require(pfn);
  const auto [begin, end] = std::equal_range(std::begin(kEntries), std::end(kEntries), symbol, ByName());
  const Entry* entry = choose(begin, end, version, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
  *pfn = entry ? entry->symbol : nullptr;
  if (status)
    *status = entry          ? CU_GET_PROC_ADDRESS_SUCCESS
              : begin == end ? CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND
                             : CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
  return entry ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

}  // namespace

namespace api {

CUresult cuGetProcAddress(const char* symbol, void** pfn, int cudaVersion, cuuint64_t flags) {
  return find(symbol, pfn, cudaVersion, flags, nullptr);
}

CUresult cuGetProcAddress_v2(const char* symbol, void** pfn, int cudaVersion, cuuint64_t flags,
                             CUdriverProcAddressQueryResult* symbolStatus) {
  return find(symbol, pfn, cudaVersion, flags, symbolStatus);
}

}  // namespace api
}  // namespace shim
