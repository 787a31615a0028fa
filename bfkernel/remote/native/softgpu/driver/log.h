// SPDX-License-Identifier: BSD-3-Clause
// The error log: what a code alone does not tell, for whoever asks with cuLogs*.
#pragma once

#include <string>

#include "api.h"

namespace softgpu::driver {

// Keeps a line, and calls the program's callbacks with it, on the calling thread.
void log_line(CUlogLevel level, const std::string& text);

}  // namespace softgpu::driver
