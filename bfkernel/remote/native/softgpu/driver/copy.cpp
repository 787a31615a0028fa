// SPDX-License-Identifier: BSD-3-Clause
#include "copy.h"

#include "address_space.h"
#include "device.h"

namespace softgpu::driver {
namespace {

// Below this a copy is quicker done than handed to another thread.
constexpr size_t kSmall = 64 << 10;

bool known(const Extent& extent) {
  return extent.array || AddressSpace::instance().find(extent.address).has_value();
}

// Whether it is a graph's memory, allocated now or not.
bool of_graph(CUdeviceptr address, size_t size) {
  std::optional<Range> range = AddressSpace::instance().find(address);
  return range && range->kind == RangeKind::graph && size <= range->end - address;
}

}  // namespace

bool holds(const Context& context, CUdeviceptr address, size_t size, When when) {
  if (context.memory.holds(address, size)) return true;
  for (const auto& device : Driver::get().devices()) {
    if (device->primary->memory.holds(address, size)) return true;
  }
  return when == When::later && of_graph(address, size);
}

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
