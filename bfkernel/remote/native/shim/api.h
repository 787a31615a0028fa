// SPDX-License-Identifier: BSD-3-Clause
// What the exported symbols call: shim::api::NAME, written by hand or generated.
#pragma once

#include "shim/cuda_api.h"

// Their prototypes are in cuda.h of no package that we build against.
extern "C" {
CUresult cuProfilerInitialize(const char* configFile, const char* outputFile, int outputMode);
CUresult cuProfilerStart();
CUresult cuProfilerStop();
}

#include "shim_api.h"
