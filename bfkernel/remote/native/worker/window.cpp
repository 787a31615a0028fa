// SPDX-License-Identifier: BSD-3-Clause
#include "worker/window.h"

namespace worker {
namespace {

// Where Linux puts nothing of its own: far above heaps of programs at fixed addresses, far below position-
// independent programs (0x55…) and mappings (0x7f…), and within the 47 bits that CUDA shares with the host.
constexpr std::uint64_t kFirstHint = 0x2000'0000'0000;
constexpr std::uint64_t kHintStep = 0x0600'0000'0000;

}  // namespace

Window reserve_window(const DriverTable& driver, std::uint64_t size, std::uint64_t alignment,
                      unsigned offer) {
  CUdeviceptr base = 0;
  const CUdeviceptr hint = kFirstHint + offer * kHintStep;
  check(driver, call(driver.cuMemAddressReserve, &base, size, alignment, hint, 0ull), "cuMemAddressReserve");
  return {base, size};
}

void free_window(const DriverTable& driver, const Window& window) {
  call(driver.cuMemAddressFree, window.base, window.size);
}

}  // namespace worker
