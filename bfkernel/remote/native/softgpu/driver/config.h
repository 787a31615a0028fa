// SPDX-License-Identifier: BSD-3-Clause
// What the environment says about the emulated machine.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace softgpu::driver {

struct Config {
  int devices = 1;                              // SOFTGPU_DEVICES
  size_t memory_bytes = size_t{32} << 30;       // SOFTGPU_MEMORY, for each device
  std::array<int, 2> compute_capability{8, 0};  // SOFTGPU_COMPUTE_CAPABILITY
};

// Reads the environment. Returns nothing, after one line on stderr, when a variable makes no sense.
std::optional<Config> read_config();

// "34359738368", "655MiB", "32GiB"; nothing when it is not a size.
std::optional<size_t> parse_size(std::string_view text);

// Which physical ordinals CUDA_VISIBLE_DEVICES leaves, in its order. As with NVIDIA's driver, entries after
// the first invalid one do not count. `uuids` are the devices' names, "GPU-xxxxxxxx-…".
std::vector<int> visible_devices(const char* variable, const std::vector<std::string>& uuids);

}  // namespace softgpu::driver
