// SPDX-License-Identifier: BSD-3-Clause
// Green contexts, and the parts of a device that they are made of.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "wire/message.h"

namespace wire {

// A CUdevResource without the driver's own bytes, which stay in the worker under `id`.
struct DeviceResource {
  uint64_t id = 0;
  uint32_t type = 0;  // CUdevResourceType; 0: there is none
  // What the struct shows: of multiprocessors the fields of CUdevSmResource in order, of a configuration of
  // work queues those of CUdevWorkqueueConfigResource.
  std::array<uint32_t, 5> shown{};
  BFKERNEL_FIELDS(id, type, shown)
};

struct ResourceOf {
  BFKERNEL_MESSAGE(ResourceOf);
  enum class Whose : uint8_t { device, context, green_context, stream };
  Whose whose = Whose::device;
  uint64_t id = 0;  // of a device: which GPU of the lease
  uint32_t type = 0;
  BFKERNEL_FIELDS(whose, id, type)
  struct Reply {
    DeviceResource resource;
    BFKERNEL_FIELDS(resource)
  };
};

// No GPU has as many multiprocessors.
inline constexpr uint32_t kMostResourceGroups = 4096;

struct ResourceSplitByCount {
  BFKERNEL_MESSAGE(ResourceSplitByCount);
  DeviceResource input;
  uint32_t groups = 0;
  uint32_t flags = 0;
  uint32_t least_multiprocessors = 0;
  uint8_t wants_groups = 0;  // 0: only asks how many there would be
  uint8_t wants_rest = 0;
  BFKERNEL_FIELDS(input, groups, flags, least_multiprocessors, wants_groups, wants_rest)
  struct Reply {
    uint32_t groups = 0;
    std::vector<DeviceResource> made;
    DeviceResource rest;
    BFKERNEL_FIELDS(groups, made, rest)
  };
};

struct ResourceSplit {
  BFKERNEL_MESSAGE(ResourceSplit);
  using Group = std::array<uint32_t, 16>;  // CU_DEV_SM_RESOURCE_GROUP_PARAMS
  DeviceResource input;
  uint32_t flags = 0;
  uint8_t wants_groups = 0;
  uint8_t wants_rest = 0;
  std::vector<Group> groups;
  BFKERNEL_FIELDS(input, flags, wants_groups, wants_rest, groups)
  struct Reply {
    std::vector<Group> groups;
    std::vector<DeviceResource> made;
    DeviceResource rest;
    BFKERNEL_FIELDS(groups, made, rest)
  };
};

struct ResourceDescribe {
  BFKERNEL_MESSAGE(ResourceDescribe);
  uint64_t description = 0;
  std::vector<DeviceResource> resources;
  BFKERNEL_FIELDS(description, resources)
};

// The device's primary context has been retained. `context` names the green context and the context that the
// driver makes of it.
struct GreenContextCreate {
  BFKERNEL_MESSAGE(GreenContextCreate);
  uint64_t context = 0;
  uint64_t description = 0;
  int32_t device = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(context, description, device, flags)
};
struct GreenContextDestroy {
  BFKERNEL_MESSAGE(GreenContextDestroy);
  uint64_t context = 0;
  BFKERNEL_FIELDS(context)
};

}  // namespace wire
