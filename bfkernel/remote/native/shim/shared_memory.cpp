// SPDX-License-Identifier: BSD-3-Clause
#include "shim/shared_memory.h"

#include "shim/devices.h"
#include "shim/request.h"
#include "shim/shared_pages.h"
#include "wire/memory_messages.h"

namespace shim::shared_memory {
namespace {

using shared_pages::kPage;

uint64_t round_up(uint64_t size) { return (size + kPage - 1) / kPage * kPage; }

// What the worker is asked for, so that whole pages of it are this allocation's. Big blocks begin at pages.
uint64_t padded(uint64_t size, CUdevice device) {
  const uint64_t granularity = devices::info(device).granularity_minimum;
  return size < granularity ? round_up(size) + kPage : round_up(size);
}

void give_back(ContextObject* context, uint64_t base) {
  Request request(Opcode::MemFree, Context::any);
  request.in_context(context);
  request.fields(wire::MemFree{base});
  request.post();
}

// The server's word is taken for addresses of the window only.
bool acceptable(uint64_t base, uint64_t asked, uint64_t size) {
  const Window& window = connection().window();
  const bool inside = window.holds(base) && asked <= window.base + window.size - base;
  return inside && round_up(base) - base <= asked - round_up(size) && !memory::find(round_up(base));
}

}  // namespace

uint64_t allocate(uint64_t size, memory::Origin origin) {
  ContextObject* context = contexts::home();
  const uint64_t asked = padded(size, context->visible_device);
  const uint64_t base = call(wire::MemAlloc{asked}, Context::current, Deferred::keep).address;
  require(acceptable(base, asked, size), CUDA_ERROR_UNKNOWN);
  const uint64_t address = round_up(base);
  try {
    shared_pages::add({address, address, size, context});
  } catch (const Failure&) {
    give_back(context, base);
    throw;
  }
  memory::add({.address = address,
               .size = size,
               .origin = origin,
               .context = context,
               .device = context->device,
               .memory = base});
  return address;
}

bool release(uint64_t address, memory::Origin origin) {
  const auto found = memory::find(address);
  if (!found || found->address != address || found->origin != origin) return false;
  memory::remove(address);
  shared_pages::drop(address);
  give_back(found->context, found->memory);
  return true;
}

}  // namespace shim::shared_memory
