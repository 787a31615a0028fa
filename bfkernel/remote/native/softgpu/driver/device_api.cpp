// SPDX-License-Identifier: BSD-3-Clause
// cuInit, versions, and what can be asked about a device without a context.
#include <cstdio>
#include <cstring>

#include "current.h"
#include "device.h"

using namespace softgpu::driver;

SOFTGPU_API cuInit(unsigned int flags) {
  return guarded([&] {
    require(flags == 0);
    return Driver::initialize();
  });
}

SOFTGPU_API cuDriverGetVersion(int* driverVersion) {
  return guarded([&] {
    require(driverVersion != nullptr);
    *driverVersion = kDriverVersion;
  });
}

SOFTGPU_API cuDeviceGetCount(int* count) {
  return with_driver([&](Driver& driver) {
    require(count != nullptr);
    *count = static_cast<int>(driver.devices().size());
  });
}

SOFTGPU_API cuDeviceGet(CUdevice* device, int ordinal) {
  return with_driver([&](Driver& driver) {
    require(device != nullptr);
    *device = driver.device(ordinal).ordinal;
  });
}

SOFTGPU_API cuDeviceGetName(char* name, int len, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    driver.device(dev);
    require(name != nullptr && len > 0);
    std::snprintf(name, len, "%s", kDeviceName);
  });
}

SOFTGPU_API cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(uuid != nullptr);
    *uuid = driver.device(dev).uuid;
  });
}

SOFTGPU_API cuDeviceTotalMem_v2(size_t* bytes, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(bytes != nullptr);
    *bytes = driver.device(dev).capacity.total();
  });
}

SOFTGPU_API cuDeviceGetAttribute(int* pi, CUdevice_attribute attrib, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(pi != nullptr);
    std::optional<int> value = driver.device(dev).attribute(attrib);
    require(value.has_value());
    *pi = *value;
  });
}

SOFTGPU_API cuDeviceComputeCapability(int* major, int* minor, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(major != nullptr && minor != nullptr);
    *major = driver.device(dev).compute_capability[0];
    *minor = driver.device(dev).compute_capability[1];
  });
}

SOFTGPU_API cuDeviceGetProperties(CUdevprop* prop, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(prop != nullptr);
    const Device& device = driver.device(dev);
    auto value = [&](CUdevice_attribute attribute) { return device.attribute(attribute).value_or(0); };
    *prop = {};
    prop->maxThreadsPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    for (int axis = 0; axis < 3; ++axis) {
      prop->maxThreadsDim[axis] =
          value(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + axis));
      prop->maxGridSize[axis] =
          value(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + axis));
    }
    prop->sharedMemPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
    prop->totalConstantMemory = value(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
    prop->SIMDWidth = value(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
    prop->memPitch = value(CU_DEVICE_ATTRIBUTE_MAX_PITCH);
    prop->regsPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
    prop->clockRate = value(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
    prop->textureAlign = value(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  });
}

SOFTGPU_API cuDeviceGetPCIBusId(char* pciBusId, int len, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    std::string text = pci_bus_id(driver.device(dev));
    require(pciBusId != nullptr && len > static_cast<int>(text.size()));
    std::memcpy(pciBusId, text.c_str(), text.size() + 1);
  });
}

SOFTGPU_API cuDeviceGetByPCIBusId(CUdevice* dev, const char* pciBusId) {
  return with_driver([&](Driver& driver) {
    require(dev != nullptr && pciBusId != nullptr);
    unsigned domain = 0, bus = 0, slot = 0;
    bool full = std::sscanf(pciBusId, "%x:%x:%x", &domain, &bus, &slot) == 3;
    if (!full) {
      domain = 0;
      require(std::sscanf(pciBusId, "%x:%x", &bus, &slot) == 2);
    }
    for (const auto& device : driver.devices()) {
      if (domain == 0 && slot == 0 && static_cast<int>(bus) == device->physical + 1) {
        *dev = device->ordinal;
        return;
      }
    }
    fail(CUDA_ERROR_INVALID_DEVICE);
  });
}

SOFTGPU_API cuDeviceGetExecAffinitySupport(int* pi, CUexecAffinityType type, CUdevice dev) {
  return with_driver([&](Driver& driver) {
    require(pi != nullptr && type == CU_EXEC_AFFINITY_TYPE_SM_COUNT);
    driver.device(dev);
    *pi = 0;
  });
}

SOFTGPU_API cuFlushGPUDirectRDMAWrites(CUflushGPUDirectRDMAWritesTarget, CUflushGPUDirectRDMAWritesScope) {
  return with_context([](Context&) { fail(CUDA_ERROR_NOT_SUPPORTED); });
}
