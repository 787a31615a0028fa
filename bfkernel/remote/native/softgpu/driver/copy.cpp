// SPDX-License-Identifier: BSD-3-Clause
#include "copy.h"

#include "address_space.h"

namespace softgpu::driver {
namespace {

// Below this a copy is quicker done than handed to another thread.
constexpr size_t kSmall = 64 << 10;

bool known(const Extent& extent) {
  return extent.array || AddressSpace::instance().find(extent.address).has_value();
}

}  // namespace

void submit_copy(Stream& stream, Copy copy) {
  if (!known(copy.dst) || !known(copy.src)) {
    run_and_wait(stream, copy.run);
  } else if (copy.dst.size <= kSmall) {
    run_soon(stream, std::move(copy.run));
  } else {
    submit(stream, std::move(copy.run));
  }
}

}  // namespace softgpu::driver
