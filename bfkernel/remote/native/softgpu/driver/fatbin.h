// SPDX-License-Identifier: BSD-3-Clause
// Fat binaries: containers of PTX and cubins for several architectures, as nvcc makes them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "image.h"

namespace softgpu::driver {

// The image begins with a container's magic, or with that of the wrapper which points to containers.
bool is_fatbin(const void* image);

// The newest PTX that the device can take, from each container; where one has none, the newest cubins
// instead. Throws as read_image() does.
Code read_fatbin(const void* image, std::array<int, 2> compute_capability, JitLog* log);

}  // namespace softgpu::driver
