// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace worker {

// The lease that every log line names; set once, before the first thread starts.
void set_log_lease(const std::string& lease);

// One line on standard error, which is the worker's log: "bfkernel-worker lease=ID pid=PID: text".
[[gnu::format(printf, 1, 2)]] void log_line(const char* format, ...);

}  // namespace worker
