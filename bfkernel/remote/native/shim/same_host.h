// SPDX-License-Identifier: BSD-3-Clause
// Shared memory with a worker that runs on this machine.
#pragma once

#include "wire/json.h"
#include "wire/segment.h"
#include "wire/socket.h"

namespace shim::same_host {

// BFKERNEL_TRANSPORT: how calls travel. Throws std::runtime_error, with a sentence, for an unknown word.
enum class Transports { any, tcp, shared };
Transports wanted();

// A line to the worker that made this offer (the field `local` of its greeting): none where it is on another
// machine, or has no shared memory to offer.
wire::Fd reach(const wire::json::Value& local);

// The worker was told over its socket that the line is there. Throws std::exception.
wire::Segment receive_segment(int line);

}  // namespace shim::same_host
