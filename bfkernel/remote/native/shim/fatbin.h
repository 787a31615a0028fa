// SPDX-License-Identifier: BSD-3-Clause
// Which parts of a fat binary are worth sending: a library may hold code for a dozen GPUs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/fatbin.h"

namespace shim::fatbin {

struct Device {
  int sm;                      // 89 for compute capability 8.9
  bool executes_machine_code;  // else PTX alone
};

struct Shipment {
  std::vector<std::byte> container;  // with the entries that can serve one of the devices
  bool machine_code = false;         // for all of them, machine code is among these entries
  bool empty = true;
};

// As a driver picks: machine code for the device's own compute capability or the highest lower one of the
// same major number. Where none is for its very own, or where the driver executes none, the newest PTX not
// above it.
// Throws wire::Malformed.
Shipment select(wire::Bytes container, const std::vector<Device>& devices);

// What a container holds, for the message when nothing serves: "sm_80 sm_90 compute_90".
std::string describe(wire::Bytes container);

}  // namespace shim::fatbin
