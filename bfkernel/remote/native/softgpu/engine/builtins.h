// SPDX-License-Identifier: BSD-3-Clause
// Functions that CUDA's device runtime provides and PTX only declares.
#pragma once

#include <string_view>

#include "engine/warp.h"

namespace softgpu {

// 0: no such function.
int builtin_by_name(std::string_view name);
bool is_malloc(int builtin);
const Instr* call_builtin(Warp& w, const Instr* ip, const CallSite& site);

}  // namespace softgpu
