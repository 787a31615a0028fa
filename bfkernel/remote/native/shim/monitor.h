// SPDX-License-Identifier: BSD-3-Clause
// What the NVML library in the same folder (libnvidia-ml.so.1) asks of this one. It is the one symbol that we
// export beside the driver's own, and nobody else's business: both libraries are of one build.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct BfkernelMonitor {
  // How many GPUs the lease has; 0 while it is not granted, or where there is none: why is told on stderr.
  // Waits for nothing.
  int (*gpus)();

  // Sends a message that needs no context (DeviceSnapshot, LeaseReport) and hands `take` the encoded reply.
  // Returns a CUresult. Goes over the process's own connection if CUDA has made one, else over one that only
  // asks: it makes no context, and the process may still fork and use CUDA in the child.
  int (*ask)(uint16_t opcode, const void* payload, size_t size,
             void (*take)(void* self, const void* reply, size_t size), void* self);

  // Ends the connection that only asks, if there is one.
  void (*close)();
};

const BfkernelMonitor* bfkernel_monitor();
}
