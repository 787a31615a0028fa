// SPDX-License-Identifier: BSD-3-Clause
// Which devices there are, and what they are called: all from the snapshot that CUDA's calls answer from.
#include <algorithm>
#include <array>
#include <cstring>

#include "nvml/library.h"
#include "wire/device_messages.h"

namespace {

using nvml::answer;
using nvml::give;
using nvml::require;

std::string uuid_text(const wire::DeviceInfo& device) {
  std::string text = device.name.find("MIG ") == std::string::npos ? "GPU-" : "MIG-";
  for (size_t i = 0; i < device.uuid.size(); ++i) {
    char byte[4];
    snprintf(byte, sizeof byte, "%02x", device.uuid[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += byte;
  }
  return text;
}

struct BusId {
  std::array<unsigned, 4> parts{};  // domain, bus, device, function

  static BusId of(const char* text) {
    BusId id;
    auto& [domain, bus, device, function] = id.parts;
    if (sscanf(text, "%x:%x:%x.%x", &domain, &bus, &device, &function) >= 3) return id;
    domain = function = 0;
    require(sscanf(text, "%x:%x.%x", &bus, &device, &function) >= 2);
    return id;
  }
  static BusId of(nvmlDevice_t device) { return of(nvml::info(device).pci_bus_id.c_str()); }

  void write(char* out, size_t size, int domain_digits) const {
    snprintf(out, size, "%0*X:%02X:%02X.%X", domain_digits, parts[0], parts[1], parts[2], parts[3]);
  }
};

template <class Info>
Info pci_info(nvmlDevice_t device) {
  const BusId id = BusId::of(device);
  Info pci{};
  pci.domain = id.parts[0];
  pci.bus = id.parts[1];
  pci.device = id.parts[2];
  if constexpr (requires { pci.busIdLegacy; }) id.write(pci.busIdLegacy, sizeof pci.busIdLegacy, 4);
  id.write(pci.busId, sizeof pci.busId, sizeof pci.busId > 16 ? 8 : 4);
  return pci;
}

template <class Matches>
nvmlReturn_t find(nvmlDevice_t* device, Matches&& matches) {
  return answer([&] {
    require(device != nullptr);
    for (unsigned i = 0; i < nvml::count(); ++i) {
      if (!matches(nvml::handle(i))) continue;
      *device = nvml::handle(i);
      return;
    }
    throw nvml::Failure{NVML_ERROR_NOT_FOUND};
  });
}

nvmlReturn_t by_bus_id(const char* text, nvmlDevice_t* device) {
  return find(device, [text](nvmlDevice_t candidate) {
    require(text != nullptr);
    return BusId::of(candidate).parts == BusId::of(text).parts;
  });
}

nvmlReturn_t by_index(unsigned index, nvmlDevice_t* device) {
  return give(device, [index] { return nvml::handle(index); });
}

}  // namespace

NVML_API nvmlReturn_t nvmlDeviceGetCount(unsigned* count) { return give(count, nvml::count); }
NVML_API nvmlReturn_t nvmlDeviceGetCount_v2(unsigned* count) { return give(count, nvml::count); }

NVML_API nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned index, nvmlDevice_t* device) {
  return by_index(index, device);
}
NVML_API nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t* device) {
  return by_index(index, device);
}
NVML_API nvmlReturn_t nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  return find(device, [uuid](nvmlDevice_t candidate) {
    require(uuid != nullptr);
    return uuid_text(nvml::info(candidate)) == uuid;
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char* id, nvmlDevice_t* device) {
  return by_bus_id(id, device);
}
NVML_API nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char* id, nvmlDevice_t* device) {
  return by_bus_id(id, device);
}

NVML_API nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned* index) {
  return give(index, [device] { return nvml::index_of(device); });
}
NVML_API nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char* name, unsigned length) {
  return answer([&] { nvml::put_text(name, length, nvml::info(device).name); });
}
NVML_API nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char* uuid, unsigned length) {
  return answer([&] { nvml::put_text(uuid, length, uuid_text(nvml::info(device))); });
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_v1_t* pci) {
  return give(pci, [device] { return pci_info<nvmlPciInfo_v1_t>(device); });
}
NVML_API nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_v2_t* pci) {
  return give(pci, [device] { return pci_info<nvmlPciInfo_v2_t>(device); });
}
NVML_API nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return give(pci, [device] { return pci_info<nvmlPciInfo_t>(device); });
}
NVML_API nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_v1_t* pci) {
  return answer([&] {
    require(pci != nullptr);
    const unsigned version = pci->version;
    require(version == version_of<nvmlPciInfoExt_v1_t>(1), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    *pci = pci_info<nvmlPciInfoExt_v1_t>(device);
    pci->version = version;
    pci->baseClass = 3;  // a display controller, as every GPU says
    pci->subClass = 2;
  });
}

// A slice of a card that the lease holds looks like a whole one: there are none inside it.
NVML_API nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned* is_slice) {
  return give(is_slice, [device] { return nvml::index_of(device) * 0; });
}
NVML_API nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned* count) {
  return give(count, [device] { return nvml::index_of(device) * 0; });
}
NVML_API nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t, unsigned, nvmlDevice_t*) {
  return answer([] { throw nvml::Failure{NVML_ERROR_NOT_FOUND}; });
}

// A lease's memory cannot be exported over a fabric, so the answer is that of a card that is on none:
// success, with zeros, which mean "not supported". PyTorch takes a failure for a fault and warns.
NVML_API nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t* fabric) {
  return answer([&] {
    require(fabric != nullptr);
    nvml::index_of(device);
    *fabric = {};
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v3_t* fabric) {
  return answer([&] {
    require(fabric != nullptr);
    nvml::index_of(device);
    const unsigned version = fabric->version;
    if (version == version_of<nvmlGpuFabricInfo_v3_t>(3)) {
      *fabric = {.version = version};
      return;
    }
    require(version == version_of<nvmlGpuFabricInfo_v2_t>(2), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    *reinterpret_cast<nvmlGpuFabricInfo_v2_t*>(fabric) = {.version = version};
  });
}

// Between two GPUs of the lease, as cuDeviceCanAccessPeer and cuDeviceGetP2PAttribute say.
NVML_API nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device1, nvmlDevice_t device2, int capability,
                                             int* status) {
  constexpr int kOk = 0;
  constexpr int kNotSupported = 5;
  enum { read, write, nvlink, atomics, pci, count };
  return give(status, [&] {
    require(capability >= 0 && capability < count);
    const unsigned from = nvml::index_of(device1);
    const unsigned to = nvml::index_of(device2);
    if (from == to) return kOk;
    const wire::DeviceSnapshot::Reply& all = nvml::snapshot();
    const size_t pair = from * all.devices.size() + to;
    if (pair >= all.peer_access.size() || !all.peer_access[pair]) return kNotSupported;
    constexpr size_t kNativeAtomics = 2;  // the third of the attributes 1 to 5
    const size_t atomic = pair * 5 + kNativeAtomics;
    if (capability == atomics && (atomic >= all.peer_attributes.size() || !all.peer_attributes[atomic]))
      return kNotSupported;
    return capability == nvlink ? kNotSupported : kOk;  // which way it goes is not known here
  });
}
NVML_API nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device1, nvmlDevice_t device2, int* same) {
  return give(same, [&] { return nvml::index_of(device1) == nvml::index_of(device2); });
}
