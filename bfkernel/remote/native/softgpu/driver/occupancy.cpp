// SPDX-License-Identifier: BSD-3-Clause
#include "occupancy.h"

#include <algorithm>

namespace softgpu::driver {
namespace {

// Hardware hands out registers to warps, and shared memory to blocks, in these portions.
constexpr int kRegisterUnit = 256;
constexpr size_t kSharedUnit = 128;

template <typename Number>
Number round_up(Number value, Number unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

size_t max_dynamic_shared(const Device& device, const Function& function) {
  int chosen = function.settings->max_dynamic_shared.load();
  if (chosen >= 0) return static_cast<size_t>(chosen);
  size_t fixed = info(*function.kernel).static_shared_bytes;
  return fixed >= device.limits.shared_per_block ? 0 : device.limits.shared_per_block - fixed;
}

int active_blocks(const Device& device, const Function& function, int block_size, size_t dynamic_shared) {
  const KernelInfo& kernel = info(*function.kernel);
  const MultiprocessorLimits& limits = device.limits;
  if (block_size <= 0 || block_size > std::min(limits.max_threads_per_block, kernel.max_threads_per_block))
    return 0;
  int warps = (block_size + limits.warp_size - 1) / limits.warp_size;
  int by_threads = limits.max_threads / (warps * limits.warp_size);
  int per_warp = round_up(std::max(kernel.registers, 1) * limits.warp_size, kRegisterUnit);
  int by_registers = limits.registers / per_warp / warps;
  size_t shared =
      round_up(kernel.static_shared_bytes + dynamic_shared + limits.shared_reserved_per_block, kSharedUnit);
  if (kernel.static_shared_bytes + dynamic_shared > limits.shared_per_block_optin) return 0;
  int by_shared = static_cast<int>(limits.shared_bytes / shared);
  return std::min({limits.max_blocks, by_threads, by_registers, by_shared});
}

}  // namespace softgpu::driver
