// SPDX-License-Identifier: BSD-3-Clause
// Tables that generate.py writes from NVIDIA's headers.
#pragma once

#include <cstddef>

#include "api.h"

namespace softgpu::driver {

// One form of a name, sorted by name and version.
struct ProcEntry {
  const char* name;  // without suffix
  int version;       // of the CUDA API that introduced this form, e.g. 12000
  void* function;
  void* per_thread;  // its form with a per-thread default stream; null when it has none
};
extern const ProcEntry kProcTable[];
extern const size_t kProcTableSize;

struct ErrorEntry {
  CUresult code;
  const char* name;
};
extern const ErrorEntry kErrorTable[];
extern const size_t kErrorTableSize;

}  // namespace softgpu::driver
