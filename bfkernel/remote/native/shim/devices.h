// SPDX-License-Identifier: BSD-3-Clause
// The lease's GPUs, from one snapshot of the worker, and which of them CUDA_VISIBLE_DEVICES shows.
#pragma once

#include "shim/cuda_api.h"
#include "wire/device_messages.h"

namespace shim::devices {

// How many devices the program sees. Does not wait for the grant, unless CUDA_VISIBLE_DEVICES names GPUs by
// UUID.
int count();

// The GPU of the lease behind a device that the program sees. Throws Failure{INVALID_DEVICE}.
int lease_ordinal(CUdevice device);

// The device under which the program sees a GPU of the lease.
CUdevice visible_ordinal(int lease_ordinal);

// These wait for the grant, once.
const wire::DeviceSnapshot::Reply& snapshot();
const wire::DeviceInfo& info(CUdevice device);

// Throws Failure{INVALID_VALUE} for an attribute that the driver does not know.
int attribute(CUdevice device, CUdevice_attribute attribute);

}  // namespace shim::devices
