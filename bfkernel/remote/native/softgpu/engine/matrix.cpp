// SPDX-License-Identifier: BSD-3-Clause
// Matrix instructions of a warp.
#include "engine/registry.h"

namespace softgpu {

void register_matrix(Registry&) {}

}  // namespace softgpu
