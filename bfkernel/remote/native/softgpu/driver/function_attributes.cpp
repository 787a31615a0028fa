// SPDX-License-Identifier: BSD-3-Clause
#include "function_attributes.h"

#include <algorithm>

namespace softgpu::driver {

int get_attribute(const Device& device, const KernelInfo& info, const FunctionSettings& settings,
                  CUfunction_attribute attribute) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return info.max_threads_per_block;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      return static_cast<int>(info.static_shared_bytes);
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
      return static_cast<int>(info.const_bytes);
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      return static_cast<int>(info.local_bytes);
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      return info.registers;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      return info.ptx_version;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      if (info.machine_code)
        return 0;  // there is nothing that this device runs: a client refuses to launch it
      return device.compute_capability[0] * 10 + device.compute_capability[1];
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
      return 0;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: {
      int chosen = settings.max_dynamic_shared;
      if (chosen >= 0) return chosen;
      size_t room = device.limits.shared_per_block;
      return static_cast<int>(room - std::min(room, info.static_shared_bytes));
    }
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return settings.carveout;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
      return 0;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
      return info.required_cluster[0];
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
      return info.required_cluster[1];
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
      return info.required_cluster[2];
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
      return settings.non_portable_cluster;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      return settings.cluster_policy;
    default:
      break;
  }
  require(attribute > 0 && attribute < CU_FUNC_ATTRIBUTE_MAX);
  return 0;
}

void set_attribute(const Device& device, const KernelInfo& info, FunctionSettings& settings,
                   CUfunction_attribute attribute, int value) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      require(value >= 0 && value + info.static_shared_bytes <= device.limits.shared_per_block_optin);
      settings.max_dynamic_shared = value;
      return;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      require(value >= -1 && value <= 100);
      settings.carveout = value;
      return;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
      settings.non_portable_cluster = value;
      return;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      settings.cluster_policy = value;
      return;
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

}  // namespace softgpu::driver
