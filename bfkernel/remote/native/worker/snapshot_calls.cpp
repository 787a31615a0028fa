// SPDX-License-Identifier: BSD-3-Clause
// What does not change about the devices, in one reply.
#include <algorithm>

#include "wire/device_messages.h"
#include "worker/calls.h"

namespace worker {
namespace {

wire::DeviceInfo describe_device(Session& session, unsigned ordinal) {
  const DriverTable& driver = session.driver();
  const CUdevice device = session.device(static_cast<std::int32_t>(ordinal));
  wire::DeviceInfo info;
  char text[256] = {};
  call(driver.cuDeviceGetName, text, static_cast<int>(sizeof text) - 1, device);
  info.name = text;
  // An emulated device always says so in its name.
  info.executes_machine_code = !info.name.starts_with("Emulated");
  CUuuid uuid{};
  const CUresult known = call(driver.cuDeviceGetUuid_v2, &uuid, device);
  if (known != CUDA_SUCCESS) call(driver.cuDeviceGetUuid, &uuid, device);
  std::copy_n(reinterpret_cast<const std::uint8_t*>(uuid.bytes), info.uuid.size(), info.uuid.begin());
  char bus_id[64] = {};
  call(driver.cuDeviceGetPCIBusId, bus_id, static_cast<int>(sizeof bus_id) - 1, device);
  info.pci_bus_id = bus_id;
  info.total_bytes = session.ledger().limit(ordinal);
  info.attributes.resize(CU_DEVICE_ATTRIBUTE_MAX);
  info.valid.resize(CU_DEVICE_ATTRIBUTE_MAX);
  for (int attribute = 1; attribute < CU_DEVICE_ATTRIBUTE_MAX; ++attribute) {
    int value = 0;
    const auto name = static_cast<CUdevice_attribute>(attribute);
    info.valid[attribute] = call(driver.cuDeviceGetAttribute, &value, name, device) == CUDA_SUCCESS;
    info.attributes[attribute] = value;
  }
  info.granularity_minimum = info.granularity_recommended = session.granularity();
  info.least_priority = 0;
  info.greatest_priority = -5;
  return info;
}

CUresult device_snapshot(Session& session, const wire::DeviceSnapshot&, wire::DeviceSnapshot::Reply& reply) {
  const DriverTable& driver = session.driver();
  const CUresult result = call(driver.cuDriverGetVersion, &reply.driver_version);
  if (result != CUDA_SUCCESS) return result;
  for (unsigned i = 0; i < session.gpus(); ++i) reply.devices.push_back(describe_device(session, i));
  for (unsigned from = 0; from < session.gpus(); ++from) {
    for (unsigned to = 0; to < session.gpus(); ++to) {
      const CUdevice source = session.device(static_cast<std::int32_t>(from));
      const CUdevice target = session.device(static_cast<std::int32_t>(to));
      int can = 0;
      if (from != to) call(driver.cuDeviceCanAccessPeer, &can, source, target);
      reply.peer_access.push_back(can != 0);
      for (int attribute = 1; attribute <= 5; ++attribute) {
        int value = 0;
        const auto name = static_cast<CUdevice_P2PAttribute>(attribute);
        if (from != to) call(driver.cuDeviceGetP2PAttribute, &value, name, source, target);
        reply.peer_attributes.push_back(value);
      }
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace

void add_snapshot_calls(CallTable& table) { table.serve<&device_snapshot>(wire::Opcode::DeviceSnapshot); }

}  // namespace worker
