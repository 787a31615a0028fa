// SPDX-License-Identifier: BSD-3-Clause
#include "device.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "context.h"
#include "pool.h"
#include "registry.h"

namespace softgpu::driver {
namespace {

uint64_t hash_bytes(std::string_view text, uint64_t seed) {
  uint64_t hash = seed;
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash ^ (hash >> 29);
}

// Tells machines apart, and stays the same from one process to the next.
std::string machine_identity() {
  std::string identity;
  std::ifstream("/etc/machine-id") >> identity;
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return identity + "/" + host;
}

CUuuid make_uuid(int physical) {
  std::string seed = "softgpu/" + machine_identity() + "/" + std::to_string(physical);
  uint64_t halves[2] = {hash_bytes(seed, 0xcbf29ce484222325ull), hash_bytes(seed, 0x84222325cbf29ce4ull)};
  CUuuid uuid;
  for (int i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<char>(halves[i / 8] >> (8 * (i % 8)));
  uuid.bytes[6] = static_cast<char>((uuid.bytes[6] & 0x0f) | 0x80);  // RFC 9562: a private scheme
  uuid.bytes[8] = static_cast<char>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

int core_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace

Device::Device(int ordinal, int physical, const Config& config)
    : ordinal(ordinal),
      physical(physical),
      uuid(make_uuid(physical)),
      compute_capability(config.compute_capability),
      multiprocessors(core_count()),
      capacity(config.memory_bytes),
      arena(capacity) {
  // The small cards of a generation hold less than its first, large one.
  if (compute_capability[1] == 6 || compute_capability[1] == 9) {
    limits.max_threads = 1536;
    limits.max_blocks = 16;
    limits.shared_bytes = 100 << 10;
    limits.shared_per_block_optin = 99 << 10;
  }
}

std::shared_ptr<MemoryPool> Device::current_pool() const {
  std::lock_guard lock(mutex_);
  return current_pool_ ? current_pool_ : default_pool;
}

void Device::set_current_pool(std::shared_ptr<MemoryPool> pool) {
  std::lock_guard lock(mutex_);
  current_pool_ = std::move(pool);
}

std::string pci_bus_id(const Device& device) {
  char text[32];
  std::snprintf(text, sizeof text, "%04X:%02X:%02X.0", 0, device.physical + 1, 0);
  return text;
}

std::string uuid_text(const CUuuid& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    char pair[3];
    std::snprintf(pair, sizeof pair, "%02x", static_cast<unsigned char>(uuid.bytes[i]));
    text += pair;
    if (i == 3 || i == 5 || i == 7 || i == 9) text += '-';
  }
  return text;
}

std::atomic<Driver*> Driver::instance_{nullptr};

CUresult Driver::initialize() {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (initialized()) return CUDA_SUCCESS;
  std::optional<Config> config = read_config();
  if (!config) return CUDA_ERROR_INVALID_VALUE;
  auto* driver = new Driver(*config);
  if (driver->devices_.empty()) {
    delete driver;
    return CUDA_ERROR_NO_DEVICE;
  }
  instance_.store(driver, std::memory_order_release);
  return CUDA_SUCCESS;
}

Driver::Driver(const Config& config) {
  std::vector<std::string> uuids;
  for (int i = 0; i < config.devices; ++i) uuids.push_back(uuid_text(make_uuid(i)));
  for (int physical : visible_devices(std::getenv("CUDA_VISIBLE_DEVICES"), uuids)) {
    auto device = std::make_unique<Device>(static_cast<int>(devices_.size()), physical, config);
    device->primary = std::make_shared<Context>(*device, 0, true);
    registry<Context>().add<CUcontext>(device->primary);
    contexts_.push_back(device->primary);
    device->default_pool = make_default_pool(*device);
    devices_.push_back(std::move(device));
  }
}

Driver& Driver::get() {
  Driver* driver = instance_.load(std::memory_order_acquire);
  require(driver != nullptr, CUDA_ERROR_NOT_INITIALIZED);
  return *driver;
}

Device& Driver::device(CUdevice ordinal) const {
  require(ordinal >= 0 && static_cast<size_t>(ordinal) < devices_.size(), CUDA_ERROR_INVALID_DEVICE);
  return *devices_[ordinal];
}

void Driver::add(const std::shared_ptr<Context>& context) {
  std::lock_guard lock(mutex_);
  std::erase_if(contexts_, [](const auto& weak) { return weak.expired(); });
  contexts_.push_back(context);
}

std::vector<std::shared_ptr<Context>> Driver::contexts() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Context>> result;
  for (const auto& weak : contexts_) {
    if (auto context = weak.lock()) result.push_back(std::move(context));
  }
  return result;
}

void Driver::drain() const {
  for (const auto& context : contexts()) context->wait_idle();
}

}  // namespace softgpu::driver
