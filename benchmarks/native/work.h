// SPDX-License-Identifier: BSD-3-Clause
// A context and a kernel that is ready to be launched, on whatever libcuda.so.1 the loader finds.
#pragma once
#include <cuda.h>

#include "bench.h"

static const char kVectorAdd[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry vadd(.param .u64 a,.param .u64 b,.param .u64 c,.param .u32 n)\n{\n"
    " .reg .pred p; .reg .b32 r<6>; .reg .b64 d<8>; .reg .f32 f<4>;\n"
    " ld.param.u64 d1,[a]; ld.param.u64 d2,[b]; ld.param.u64 d3,[c]; ld.param.u32 r1,[n];\n"
    " mov.u32 r2,%ctaid.x; mov.u32 r3,%ntid.x; mov.u32 r4,%tid.x; mad.lo.s32 r5,r2,r3,r4;\n"
    " setp.ge.u32 p,r5,r1; @p bra DONE;\n"
    " mul.wide.u32 d4,r5,4; add.u64 d5,d1,d4; add.u64 d6,d2,d4; add.u64 d7,d3,d4;\n"
    " ld.global.f32 f1,[d5]; ld.global.f32 f2,[d6]; add.f32 f3,f1,f2; st.global.f32 [d7],f3;\n"
    "DONE: ret;\n}\n";

static void check(CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return;
  fprintf(stderr, "%s failed with CUresult %d\n", call, result);
  exit(1);
}
#define CHECK(call) check((call), #call)

// The arguments live as long as the program.
static struct {
  CUfunction function;
  CUstream stream;
  CUdeviceptr a, b, out;
  unsigned n;
} work;

static void start_context(void) {
  CUdevice device;
  CUcontext context;
  CHECK(cuInit(0));
  CHECK(cuDeviceGet(&device, 0));
  CHECK(cuDevicePrimaryCtxRetain(&context, device));
  CHECK(cuCtxSetCurrent(context));
  CHECK(cuCtxSynchronize());
}

static void load_kernel(const char* image) {
  CUmodule module;
  CHECK(cuModuleLoadData(&module, image));
  CHECK(cuModuleGetFunction(&work.function, module, "vadd"));
}

static void launch(void) {
  void* arguments[] = {&work.a, &work.b, &work.out, &work.n};
  CHECK(cuLaunchKernel(work.function, 1, 1, 1, 256, 1, 1, 0, work.stream, arguments, NULL));
}

static void first_launch(void) {
  CHECK(cuStreamCreate(&work.stream, CU_STREAM_NON_BLOCKING));
  CHECK(cuMemAlloc(&work.a, 4096));
  CHECK(cuMemAlloc(&work.b, 4096));
  CHECK(cuMemAlloc(&work.out, 4096));
  work.n = 256;
  launch();
  CHECK(cuStreamSynchronize(work.stream));
}

static void set_up(void) {
  start_context();
  load_kernel(kVectorAdd);
  first_launch();
}
