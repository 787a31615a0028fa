// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cuda.h>

#include <array>
#include <vector>

#include "wire/code_messages.h"
#include "worker/session.h"

namespace worker {

// As the driver takes it, with the client's ids replaced. Throws CudaError for what may not travel, for an
// unknown event, and for memory that is not the client's.
CUlaunchAttribute attribute_from_wire(Session& session, const wire::LaunchAttribute& attribute);

// A launch's configuration as the driver takes it.
class LaunchConfig {
 public:
  static constexpr std::size_t kMostAttributes = 32;

  // Throws CudaError, also for more attributes than any launch has.
  LaunchConfig(Session& session, const std::vector<wire::LaunchAttribute>& attributes);
  LaunchConfig(const LaunchConfig&) = delete;
  LaunchConfig& operator=(const LaunchConfig&) = delete;

  void set_shape(const std::array<std::uint32_t, 3>& grid, const std::array<std::uint32_t, 3>& block);

  CUlaunchConfig config{};

 private:
  std::array<CUlaunchAttribute, kMostAttributes> attributes_{};
};

}  // namespace worker
