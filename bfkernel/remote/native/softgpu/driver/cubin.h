// SPDX-License-Identifier: BSD-3-Clause
// Cubins: machine code for one architecture. It cannot run here, but programs ask what is in it: kernels by
// name with their parameters and attributes, variables by name with their first values.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace softgpu::driver {

using CubinBytes = std::vector<std::byte>;

// The architecture the file is for, e.g. 80; 0 where it is no cubin.
int cubin_target(std::span<const std::byte> cubin);

// Machine code runs on its own architecture and on later ones of the same major number.
bool cubin_serves(int target, std::array<int, 2> compute_capability);

// A program of which everything is known but how to execute it. Throws INVALID_IMAGE, with one line in
// log->error, for a damaged file.
std::shared_ptr<const Program> cubin_program(const std::vector<CubinBytes>& cubins, JitLog* log);

}  // namespace softgpu::driver
