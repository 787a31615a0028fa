// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cuda.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "wire/green_messages.h"

namespace worker {

// The driver's descriptions of parts of a device (CUdevResource). Most of their bytes are the driver's own,
// and may be addresses: so they stay here, and the client has a number and what it is meant to see. Used by
// the session's thread only.
class DeviceResources {
 public:
  // What the client is told of it. The same resource has the same number. Throws CudaError when there are
  // more than any program needs.
  wire::DeviceResource keep(const CUdevResource& resource);
  // The driver's own, with what a program may change in it. Throws CudaError for a number that none has.
  CUdevResource find(const wire::DeviceResource& named) const;

 private:
  static constexpr std::size_t kMost = 65536;

  std::vector<CUdevResource> kept_;               // number 1 first
  std::map<std::string, std::uint64_t> numbers_;  // by the resource's bytes
};

}  // namespace worker
