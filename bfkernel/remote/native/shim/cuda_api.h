// SPDX-License-Identifier: BSD-3-Clause
// NVIDIA's cuda.h with every form of every function under its own symbol, and no renaming macros left.
#pragma once

#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
