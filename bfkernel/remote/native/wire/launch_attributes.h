// SPDX-License-Identifier: BSD-3-Clause
// Which attributes of launches, streams and kernel nodes may travel, and what their values hold.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace wire {

enum class AttributeValue : uint8_t {
  refused,  // a pointer of the program's, or what nobody here knows
  numbers,  // travels as it is
  window,   // a range of device memory: its address is checked
  event,    // begins with an event: its id travels in the handle's place
};

constexpr AttributeValue attribute_value(uint32_t attribute) {
  switch (attribute) {
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING:
    case CU_LAUNCH_ATTRIBUTE_PORTABLE_CLUSTER_SIZE_MODE:
    case CU_LAUNCH_ATTRIBUTE_SHARED_MEMORY_MODE:
      return AttributeValue::numbers;
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
      return AttributeValue::window;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
      return AttributeValue::event;
    default:
      return AttributeValue::refused;  // DEVICE_UPDATABLE_KERNEL_NODE hands out a handle for device code
  }
}

}  // namespace wire
