// SPDX-License-Identifier: BSD-3-Clause
// Messages about functions of the client's program that the worker has called.
#pragma once

#include <cstdint>
#include <string_view>

#include "wire/message.h"

namespace wire {

struct LaunchHostFunction {
  BFKERNEL_MESSAGE(LaunchHostFunction);
  uint64_t stream = 0;
  uint64_t token = 0;
  BFKERNEL_FIELDS(stream, token)
};
struct AddStreamCallback {
  BFKERNEL_MESSAGE(AddStreamCallback);
  uint64_t stream = 0;
  uint64_t token = 0;
  BFKERNEL_FIELDS(stream, token)
};
// worker → client, on the connection with this role: call the function, then answer with a header alone.
inline constexpr std::string_view kHostFunctionsRole = "host-functions";
// Nothing is sent on it: its end tells the worker of the client's, when the first connection cannot.
inline constexpr std::string_view kLifelineRole = "lifeline";
struct HostCall {
  BFKERNEL_MESSAGE(HostCall);
  uint64_t token = 0;
  uint32_t status = 0;  // for stream callbacks
  uint8_t again = 0;    // 1: it belongs to a graph: it may be called again
  BFKERNEL_FIELDS(token, status, again)
};

}  // namespace wire
