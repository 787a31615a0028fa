// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

#include "engine/ast.h"

namespace softgpu {

// Throws PtxError with the line of the problem.
Module parse(std::string_view text);

}  // namespace softgpu
