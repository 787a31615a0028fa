// SPDX-License-Identifier: BSD-3-Clause
#include "shim/devices.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

#include "shim/api.h"
#include "shim/lease.h"
#include "shim/request.h"

namespace shim::devices {
namespace {

// Never destroyed: runtimes still call while the process's static objects go.
std::mutex mutex;
auto& fetched = *new std::unique_ptr<const wire::DeviceSnapshot::Reply>;
auto& visible = *new std::optional<std::vector<int>>;

// What the hardware can do but the way there cannot (yet): said honestly, so that programs take their other
// path.
constexpr CUdevice_attribute kNotForwarded[] = {
    CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS,
    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES,
    CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST,
    CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM,
    CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_COOPERATIVE_MULTI_DEVICE_LAUNCH,
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES,
    CU_DEVICE_ATTRIBUTE_UNIFIED_FUNCTION_POINTERS,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_SPARSE_CUDA_ARRAY_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_MEM_DECOMPRESS_ALGORITHM_MASK,
    CU_DEVICE_ATTRIBUTE_MEM_DECOMPRESS_MAXIMUM_LENGTH,
};

std::unique_ptr<const wire::DeviceSnapshot::Reply> fetch() {
  auto reply = std::make_unique<wire::DeviceSnapshot::Reply>(call(wire::DeviceSnapshot{}));
  for (wire::DeviceInfo& device : reply->devices) {
    device.valid.resize(device.attributes.size());
    for (const CUdevice_attribute attribute : kNotForwarded)
      if (static_cast<size_t>(attribute) < device.attributes.size()) device.attributes[attribute] = 0;
    if (device.attributes.size() > CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING)
      device.attributes[CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING] = 1;
  }
  return reply;
}

std::string uuid_text(const wire::DeviceInfo& device) {
  std::string out = "GPU-";
  for (size_t i = 0; i < device.uuid.size(); ++i) {
    char byte[4];
    snprintf(byte, sizeof byte, "%02x", device.uuid[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += byte;
  }
  return out;
}

// The GPU that one item of CUDA_VISIBLE_DEVICES names: an index, or the beginning of one UUID.
std::optional<int> named_gpu(const std::string& item, int gpus) {
  const bool digits =
      !item.empty() && std::all_of(item.begin(), item.end(), [](unsigned char c) { return std::isdigit(c); });
  if (digits) {
    const long index = std::strtol(item.c_str(), nullptr, 10);
    return index < gpus ? std::optional<int>(static_cast<int>(index)) : std::nullopt;
  }
  if (item.compare(0, 4, "GPU-") != 0) return std::nullopt;
  std::optional<int> found;
  const auto& all = snapshot().devices;
  for (size_t i = 0; i < all.size(); ++i) {
    if (uuid_text(all[i]).compare(0, item.size(), item) != 0) continue;
    if (found) return std::nullopt;  // ambiguous
    found = static_cast<int>(i);
  }
  return found;
}

// As the driver does: the list ends at its first item that is no GPU, and a GPU named twice leaves none.
std::vector<int> chosen(const std::string& list, int gpus) {
  std::vector<int> out;
  for (size_t at = 0; at <= list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    std::string item = list.substr(at, comma - at);
    item.erase(std::remove_if(item.begin(), item.end(), [](unsigned char c) { return std::isspace(c); }),
               item.end());
    const std::optional<int> gpu = named_gpu(item, gpus);
    if (!gpu) break;
    if (std::find(out.begin(), out.end(), *gpu) != out.end()) return {};
    out.push_back(*gpu);
    at = comma + 1;
  }
  return out;
}

std::vector<int> resolve_visible() {
  const int gpus = connected() ? static_cast<int>(snapshot().devices.size()) : lease::read().gpus;
  if (const char* list = std::getenv("CUDA_VISIBLE_DEVICES")) return chosen(list, gpus);
  std::vector<int> all(gpus);
  for (int i = 0; i < gpus; ++i) all[i] = i;
  return all;
}

std::vector<int> visible_gpus() {
  {
    const std::lock_guard lock(mutex);
    if (visible) return *visible;
  }
  std::vector<int> resolved = resolve_visible();  // may wait, so not under the lock
  const std::lock_guard lock(mutex);
  if (!visible) visible = std::move(resolved);
  return *visible;
}

}  // namespace

const wire::DeviceSnapshot::Reply& snapshot() {
  {
    const std::lock_guard lock(mutex);
    if (fetched) return *fetched;
  }
  auto reply = fetch();
  const std::lock_guard lock(mutex);
  if (!fetched) fetched = std::move(reply);
  return *fetched;
}

int count() { return static_cast<int>(visible_gpus().size()); }

int lease_ordinal(CUdevice device) {
  const std::vector<int> gpus = visible_gpus();
  require(device >= 0 && static_cast<size_t>(device) < gpus.size(), CUDA_ERROR_INVALID_DEVICE);
  return gpus[device];
}

CUdevice visible_ordinal(int lease_ordinal) {
  const std::vector<int> gpus = visible_gpus();
  const auto found = std::find(gpus.begin(), gpus.end(), lease_ordinal);
  require(found != gpus.end(), CUDA_ERROR_INVALID_DEVICE);
  return static_cast<CUdevice>(found - gpus.begin());
}

const wire::DeviceInfo& info(CUdevice device) {
  const int ordinal = lease_ordinal(device);
  const auto& all = snapshot().devices;
  require(static_cast<size_t>(ordinal) < all.size(), CUDA_ERROR_INVALID_DEVICE);
  return all[ordinal];
}

int attribute(CUdevice device, CUdevice_attribute attribute) {
  const wire::DeviceInfo& from = info(device);
  const auto index = static_cast<size_t>(attribute);
  require(index > 0 && index < from.attributes.size() && from.valid[index], CUDA_ERROR_INVALID_VALUE);
  return from.attributes[index];
}

}  // namespace shim::devices

namespace shim::api {

CUresult cuDriverGetVersion(int* driverVersion) {
  require(driverVersion);
  *driverVersion = devices::snapshot().driver_version;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  require(count);
  *count = devices::count();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  require(device);
  devices::lease_ordinal(ordinal);
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int len, CUdevice dev) {
  require(name);
  require(len > 0, CUDA_ERROR_INVALID_VALUE);
  snprintf(name, static_cast<size_t>(len), "%s", devices::info(dev).name.c_str());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice dev) {
  require(uuid);
  const auto& bytes = devices::info(dev).uuid;
  std::memcpy(uuid->bytes, bytes.data(), bytes.size());
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice dev) {
  require(bytes);
  *bytes = devices::info(dev).total_bytes;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* pi, CUdevice_attribute attrib, CUdevice dev) {
  require(pi);
  *pi = devices::attribute(dev, attrib);
  return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice dev) {
  require(major);
  require(minor);
  *major = devices::attribute(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  *minor = devices::attribute(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetProperties(CUdevprop* prop, CUdevice dev) {
  require(prop);
  const auto get = [dev](CUdevice_attribute attribute) { return devices::attribute(dev, attribute); };
  *prop = {};
  prop->maxThreadsPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  for (int i = 0; i < 3; ++i) {
    prop->maxThreadsDim[i] = get(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i));
    prop->maxGridSize[i] = get(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i));
  }
  prop->sharedMemPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  prop->totalConstantMemory = get(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
  prop->SIMDWidth = get(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  prop->memPitch = get(CU_DEVICE_ATTRIBUTE_MAX_PITCH);
  prop->regsPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  prop->clockRate = get(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  prop->textureAlign = get(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char* pciBusId, int len, CUdevice dev) {
  require(pciBusId);
  const std::string& id = devices::info(dev).pci_bus_id;
  require(static_cast<size_t>(std::max(len, 0)) > id.size(), CUDA_ERROR_INVALID_VALUE);
  std::memcpy(pciBusId, id.c_str(), id.size() + 1);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetByPCIBusId(CUdevice* dev, const char* pciBusId) {
  require(dev);
  require(pciBusId);
  unsigned wanted[4] = {0, 0, 0, 0};
  if (sscanf(pciBusId, "%x:%x:%x.%x", &wanted[0], &wanted[1], &wanted[2], &wanted[3]) < 3) {
    wanted[0] = wanted[3] = 0;
    require(sscanf(pciBusId, "%x:%x.%x", &wanted[1], &wanted[2], &wanted[3]) >= 2, CUDA_ERROR_INVALID_VALUE);
  }
  for (CUdevice device = 0; device < devices::count(); ++device) {
    unsigned has[4] = {0, 0, 0, 0};
    sscanf(devices::info(device).pci_bus_id.c_str(), "%x:%x:%x.%x", &has[0], &has[1], &has[2], &has[3]);
    if (!std::equal(has, has + 4, wanted)) continue;
    *dev = device;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceCanAccessPeer(int* canAccessPeer, CUdevice dev, CUdevice peerDev) {
  require(canAccessPeer);
  const auto& all = devices::snapshot();
  const size_t index =
      static_cast<size_t>(devices::lease_ordinal(dev)) * all.devices.size() + devices::lease_ordinal(peerDev);
  *canAccessPeer = dev != peerDev && index < all.peer_access.size() && all.peer_access[index];
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetP2PAttribute(int* value, CUdevice_P2PAttribute attrib, CUdevice srcDevice,
                                 CUdevice dstDevice) {
  require(value);
  const auto& all = devices::snapshot();
  const int from = devices::lease_ordinal(srcDevice);
  const int to = devices::lease_ordinal(dstDevice);
  require(from != to, CUDA_ERROR_INVALID_DEVICE);
  require(attrib >= 1 && attrib <= 5, CUDA_ERROR_INVALID_VALUE);
  const size_t index = (from * all.devices.size() + to) * 5 + attrib - 1;
  *value = index < all.peer_attributes.size() ? all.peer_attributes[index] : 0;
  return CUDA_SUCCESS;
}

// No atomic operation of the GPU's reaches the client's memory.
CUresult cuDeviceGetHostAtomicCapabilities(unsigned int* capabilities, const CUatomicOperation* operations,
                                           unsigned int count, CUdevice dev) {
  require(capabilities);
  require(operations);
  devices::lease_ordinal(dev);
  std::fill_n(capabilities, count, 0u);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetExecAffinitySupport(int* pi, CUexecAffinityType, CUdevice dev) {
  require(pi);
  devices::lease_ordinal(dev);
  *pi = 0;
  return CUDA_SUCCESS;
}

}  // namespace shim::api
