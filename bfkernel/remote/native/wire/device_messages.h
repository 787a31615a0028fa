// SPDX-License-Identifier: BSD-3-Clause
// Messages about the devices of a lease, what is in use of them, and contexts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "wire/message.h"

namespace wire {

struct DeviceInfo {
  std::string name;
  std::array<uint8_t, 16> uuid{};
  uint64_t total_bytes = 0;  // the lease's limit, not the card's memory
  std::string pci_bus_id;
  std::vector<int32_t> attributes;    // indexed by CUdevice_attribute
  std::vector<uint8_t> valid;         // 1 where the driver knows the attribute
  uint8_t executes_machine_code = 1;  // 0: an emulated device, which runs PTX
  uint64_t granularity_minimum = 0;   // cuMemGetAllocationGranularity
  uint64_t granularity_recommended = 0;
  int32_t least_priority =
      0;  // cuCtxGetStreamPriorityRange; known without a context as 0 and -5 on all devices so far
  int32_t greatest_priority = 0;
  BFKERNEL_FIELDS(name, uuid, total_bytes, pci_bus_id, attributes, valid, executes_machine_code,
                  granularity_minimum, granularity_recommended, least_priority, greatest_priority)
};

// Everything about the devices that does not change, in one round trip.
struct DeviceSnapshot {
  BFKERNEL_MESSAGE(DeviceSnapshot);
  struct Reply {
    int32_t driver_version = 0;
    std::vector<DeviceInfo> devices;
    std::vector<uint8_t> peer_access;  // [from * n + to]: cuDeviceCanAccessPeer
    std::vector<int32_t>
        peer_attributes;  // [(from * n + to) * 5 + attribute - 1]: cuDeviceGetP2PAttribute, 1 to 5
    BFKERNEL_FIELDS(driver_version, devices, peer_access, peer_attributes)
  };
  template <class A>
  void fields(A&) {}
};

// What can be read off a card, as NVML tells it: index into DeviceUse::figures. Units as in NVML's calls.
enum class CardFigure : uint16_t {
  gpu_utilization,
  memory_utilization,
  encoder_utilization,
  decoder_utilization,
  temperature,
  shutdown_temperature,
  slowdown_temperature,
  fan_percent,
  power_milliwatts,
  power_limit_milliwatts,
  graphics_clock,  // the four domains in the order of nvmlClockType_t
  sm_clock,
  memory_clock,
  video_clock,
  max_graphics_clock,
  max_sm_clock,
  max_memory_clock,
  max_video_clock,
  performance_state,
  pcie_generation,
  pcie_width,
  max_pcie_generation,
  max_pcie_width,
  brand,
  persistence,
  ecc,
  card_memory_bytes,
  count
};
inline constexpr int64_t kUnknownFigure = INT64_MIN;

// What one client process of the lease holds on one GPU.
struct ClientUse {
  uint32_t pid = 0;  // on the client's machine
  uint64_t bytes = 0;
  BFKERNEL_FIELDS(pid, bytes)
};
struct DeviceUse {
  uint64_t total_bytes = 0;  // as cuMemGetInfo says in the asking process
  uint64_t free_bytes = 0;
  std::vector<ClientUse> clients;
  std::vector<int64_t> figures;  // indexed by CardFigure; kUnknownFigure where nobody can tell
  BFKERNEL_FIELDS(total_bytes, free_bytes, clients, figures)
};

// What NVML's calls are answered from: the lease as it is now. Needs no context, and does not count as use of
// the lease.
struct LeaseReport {
  BFKERNEL_MESSAGE(LeaseReport);
  uint8_t figures = 0;           // 1: the cards' figures too, which take their time
  std::vector<uint64_t> unused;  // bytes of each GPU that the client was granted and has free
  BFKERNEL_FIELDS(figures, unused)
  struct Reply {
    std::vector<DeviceUse> devices;
    std::string driver;  // NVIDIA's number of its driver; empty where there is none
    BFKERNEL_FIELDS(devices, driver)
  };
};

// The first retain of a device; later ones are counted by the client.
struct PrimaryRetain {
  BFKERNEL_MESSAGE(PrimaryRetain);
  uint64_t context = 0;
  int32_t device = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(context, device, flags)
};
// The last release: the context and all that is in it ends, but may be retained again under the same id.
struct PrimaryRelease {
  BFKERNEL_MESSAGE(PrimaryRelease);
  int32_t device = 0;
  BFKERNEL_FIELDS(device)
};
struct PrimaryReset {
  BFKERNEL_MESSAGE(PrimaryReset);
  int32_t device = 0;
  BFKERNEL_FIELDS(device)
};
struct ContextCreate {
  BFKERNEL_MESSAGE(ContextCreate);
  uint64_t context = 0;
  int32_t device = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(context, device, flags)
};
struct ContextDestroy {
  BFKERNEL_MESSAGE(ContextDestroy);
  uint64_t context = 0;
  BFKERNEL_FIELDS(context)
};

}  // namespace wire
