// SPDX-License-Identifier: BSD-3-Clause
// Copies that the shim makes for itself, between its copy of some memory and the server's: in streams of
// their own, which wait for nothing, and without taking the program's pending errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "shim/contexts.h"

namespace shim::move {

// True in a thread that is about such a copy: its requests are not the program's.
bool moving();

// Throw Failure.
void to_device(ContextObject* context, uint64_t destination, const std::byte* source, uint64_t size);
void to_host(ContextObject* context, std::span<std::byte> destination, uint64_t source);
void clear(ContextObject* context, uint64_t destination, uint64_t size);
// Waits until the copies to the device are there.
void await(ContextObject* context);
// Waits for all that the GPUs were given.
void settle();

}  // namespace shim::move
