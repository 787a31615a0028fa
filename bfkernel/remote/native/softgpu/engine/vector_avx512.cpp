// SPDX-License-Identifier: BSD-3-Clause
// The vector handlers, compiled for AVX-512.
#include <immintrin.h>

#include <algorithm>
#include <string>
#include <type_traits>

#include "engine/access.h"
#include "engine/flags.h"
#include "engine/registry.h"
#include "engine/warp.h"

#pragma GCC target( \
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,popcnt,f16c,prefer-vector-width=512")
// GCC 12 misjudges std::string concatenation (its bug 105651).
#pragma GCC diagnostic ignored "-Wrestrict"

#define SOFTGPU_ISA isa_avx512
#include "engine/vector/all.inl"
