// SPDX-License-Identifier: BSD-3-Clause
// Access from one device to another's memory. All emulated devices live in one host memory, so all can.
#include "current.h"

using namespace softgpu::driver;

SOFTGPU_API cuDeviceCanAccessPeer(int* canAccessPeer, CUdevice dev, CUdevice peerDev) {
  return with_driver([&](Driver& driver) {
    require(canAccessPeer != nullptr);
    *canAccessPeer = driver.device(dev).ordinal != driver.device(peerDev).ordinal;
  });
}

SOFTGPU_API cuDeviceGetP2PAttribute(int* value, CUdevice_P2PAttribute attrib, CUdevice srcDevice,
                                    CUdevice dstDevice) {
  return with_driver([&](Driver& driver) {
    require(value != nullptr);
    require(driver.device(srcDevice).ordinal != driver.device(dstDevice).ordinal, CUDA_ERROR_INVALID_DEVICE);
    switch (attrib) {
      case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
        *value = 0;
        break;
      case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
      case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
        *value = 1;
        break;
      case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
      case CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED:
        *value = 0;
        break;
      default:
        fail(CUDA_ERROR_INVALID_VALUE);
    }
  });
}

SOFTGPU_API cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags) {
  return with_context([&](Context& context) {
    require(Flags == 0);
    std::shared_ptr<Context> peer = registry<Context>().get(peerContext, CUDA_ERROR_INVALID_CONTEXT);
    int device = peer->device.ordinal;
    require(device != context.device.ordinal, CUDA_ERROR_INVALID_DEVICE);
    require(!context.memory.has_peer(device), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
    context.memory.add_peer(device);
  });
}

SOFTGPU_API cuCtxDisablePeerAccess(CUcontext peerContext) {
  return with_context([&](Context& context) {
    std::shared_ptr<Context> peer = registry<Context>().get(peerContext, CUDA_ERROR_INVALID_CONTEXT);
    int device = peer->device.ordinal;
    require(device != context.device.ordinal && context.memory.has_peer(device),
            CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
    context.wait_idle();
    context.memory.remove_peer(device);
  });
}
