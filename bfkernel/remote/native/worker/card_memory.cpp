// SPDX-License-Identifier: BSD-3-Clause
#include "worker/card_memory.h"

#include <unistd.h>

#include <vector>

namespace worker {
namespace {

struct NvmlProcess {
  unsigned pid;
  unsigned long long used_bytes;
  unsigned gpu_instance;
  unsigned compute_instance;
};

}  // namespace

std::uint64_t CardMemory::held(CUdevice device) {
  const auto list =
      nvml_.function<int(void*, unsigned*, NvmlProcess*)>("nvmlDeviceGetComputeRunningProcesses_v3");
  void* card = nvml_.device(device);
  if (list == nullptr || card == nullptr) return 0;
  std::vector<NvmlProcess> processes(1024);
  auto count = static_cast<unsigned>(processes.size());
  if (list(card, &count, processes.data()) != 0) return 0;
  for (unsigned i = 0; i < count; ++i) {
    const NvmlProcess& process = processes[i];
    constexpr unsigned long long kUnknown = ~0ull;
    if (process.pid == static_cast<unsigned>(getpid()) && process.used_bytes != kUnknown)
      return process.used_bytes;
  }
  return 0;
}

}  // namespace worker
