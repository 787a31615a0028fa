// SPDX-License-Identifier: BSD-3-Clause
// Which atomic operations work between processors. All memory is the host's, and a kernel's atomics are the
// processor's own, so what works on a device's memory works on the host's and on another device's.
#include "device.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kScalars = CU_ATOMIC_CAPABILITY_SCALAR_32 | CU_ATOMIC_CAPABILITY_SCALAR_64;
constexpr unsigned kSigns = CU_ATOMIC_CAPABILITY_SIGNED | CU_ATOMIC_CAPABILITY_UNSIGNED;

unsigned capability(CUatomicOperation operation) {
  switch (operation) {
    case CU_ATOMIC_OPERATION_INTEGER_ADD:
    case CU_ATOMIC_OPERATION_INTEGER_MIN:
    case CU_ATOMIC_OPERATION_INTEGER_MAX:
      return kScalars | kSigns | CU_ATOMIC_CAPABILITY_REDUCTION;
    case CU_ATOMIC_OPERATION_INTEGER_INCREMENT:
    case CU_ATOMIC_OPERATION_INTEGER_DECREMENT:
      return CU_ATOMIC_CAPABILITY_SCALAR_32 | CU_ATOMIC_CAPABILITY_UNSIGNED | CU_ATOMIC_CAPABILITY_REDUCTION;
    case CU_ATOMIC_OPERATION_AND:
    case CU_ATOMIC_OPERATION_OR:
    case CU_ATOMIC_OPERATION_XOR:
      return kScalars | kSigns | CU_ATOMIC_CAPABILITY_REDUCTION;
    case CU_ATOMIC_OPERATION_EXCHANGE:
    case CU_ATOMIC_OPERATION_CAS:
      return kScalars | kSigns;
    case CU_ATOMIC_OPERATION_FLOAT_ADD:
      return kScalars | CU_ATOMIC_CAPABILITY_SIGNED | CU_ATOMIC_CAPABILITY_REDUCTION;
    default:
      return 0;
  }
}

void put(unsigned* capabilities, const CUatomicOperation* operations, unsigned count) {
  require(capabilities != nullptr && operations != nullptr && count > 0);
  for (unsigned i = 0; i < count; ++i) {
    require(operations[i] < CU_ATOMIC_OPERATION_MAX);
    capabilities[i] = capability(operations[i]);
  }
}

}  // namespace

SOFTGPU_API cuDeviceGetHostAtomicCapabilities(unsigned int* capabilities, const CUatomicOperation* operations,
                                              unsigned int count, CUdevice dev) {
  return guarded([&] {
    Driver::get().device(dev);
    put(capabilities, operations, count);
  });
}

SOFTGPU_API cuDeviceGetP2PAtomicCapabilities(unsigned int* capabilities, const CUatomicOperation* operations,
                                             unsigned int count, CUdevice srcDevice, CUdevice dstDevice) {
  return guarded([&] {
    Driver& driver = Driver::get();
    require(&driver.device(srcDevice) != &driver.device(dstDevice), CUDA_ERROR_INVALID_DEVICE);
    put(capabilities, operations, count);
  });
}
