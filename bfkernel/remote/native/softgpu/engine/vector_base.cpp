// SPDX-License-Identifier: BSD-3-Clause
// The vector handlers, compiled for what every x86-64 processor has.
#include <immintrin.h>

#include <algorithm>
#include <string>
#include <type_traits>

#include "engine/access.h"
#include "engine/flags.h"
#include "engine/registry.h"
#include "engine/warp.h"

// GCC 12 misjudges std::string concatenation (its bug 105651).
#pragma GCC diagnostic ignored "-Wrestrict"

#define SOFTGPU_ISA isa_base
#include "engine/vector/all.inl"
