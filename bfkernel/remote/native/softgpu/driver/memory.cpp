// SPDX-License-Identifier: BSD-3-Clause
#include "memory.h"

#include <sys/mman.h>

#include "advice.h"
#include "pool.h"

namespace softgpu::driver {
namespace {

constexpr uint32_t kEveryDevice = ~uint32_t{0};
constexpr uint64_t kPage = 4096;

bool from_arena(const Range& range) {
  return range.kind == RangeKind::device || range.kind == RangeKind::managed || range.kind == RangeKind::pool;
}

}  // namespace

uint64_t allocate(Context& context, size_t size, RangeKind kind, unsigned flags, bool internal,
                  bool outlives_context) {
  uint64_t address = context.device.arena.allocate(size);
  require(address != 0, CUDA_ERROR_OUT_OF_MEMORY);
  Range range;
  range.begin = address;
  range.end = address + size;
  range.kind = kind;
  range.device = context.device.ordinal;
  range.access = kind == RangeKind::managed ? kEveryDevice : 1u << context.device.ordinal;
  range.context = outlives_context ? 0 : context.id;
  range.flags = flags;
  range.internal = internal;
  AddressSpace::instance().insert(std::move(range));
  return address;
}

void release(const Range& range) {
  if (range.kind == RangeKind::managed) Advice::instance().forget(range.begin, range.end);
  if (from_arena(range)) {
    Driver::get().device(range.device).arena.free(range.begin, range.size());
    if (range.pool) range.pool->freed(range.size());
  } else if (range.kind == RangeKind::imported) {
    uint64_t page = range.begin / kPage * kPage;  // where its mapping begins
    munmap(reinterpret_cast<void*>(page), range.end - page);
  } else if (range.kind == RangeKind::host_allocated) {
    munmap(reinterpret_cast<void*>(range.begin), range.size());
  }
}

void free_internal(uint64_t address) {
  auto range = AddressSpace::instance().remove(address, [](const Range& found) { return found.internal; });
  if (range) release(*range);
}

void free_all(Context& context) {
  AddressSpace& space = AddressSpace::instance();
  for (const Range& owned : space.owned_by(context.id)) {
    auto range = space.remove(owned.begin, [&](const Range& found) { return found.context == context.id; });
    if (range) release(*range);
  }
}

// Memory that changes its place in the system must not be written meanwhile: nothing new is submitted, and
// all that was is over.
SharedPart share(Device& device, uint64_t address, size_t size) {
  std::vector<std::shared_ptr<Context>> contexts = Driver::get().contexts();
  std::vector<std::unique_lock<std::mutex>> held;
  for (const auto& context : contexts) held.emplace_back(context->order_mutex);
  for (const auto& context : contexts) context->wait_idle();
  return device.arena.share(address, size);
}

void require_reachable(const Context& context, uint64_t address, size_t size) {
  require(context.memory.holds(address, size));
}

}  // namespace softgpu::driver
