// SPDX-License-Identifier: BSD-3-Clause
// A device image, and its registration with the CUDA runtime as nvcc writes it into a program: a fat binary
// (here with one entry, PTX), a wrapper that points at it, and the names of its kernels and variables.
// Written out because no nvcc for CUDA 12 comes as a package, and so that one file serves every version.
#pragma once
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(call) check((call), #call, __LINE__)
#define EXPECT(condition) expect((condition), #condition, __LINE__)

static void check(cudaError_t result, const char* call, int line) {
  if (result == cudaSuccess) return;
  fprintf(stderr, "line %d: %s: %s\n", line, call, cudaGetErrorName(result));
  exit(1);
}

static void expect(int holds, const char* condition, int line) {
  if (holds) return;
  fprintf(stderr, "line %d: not true: %s\n", line, condition);
  exit(1);
}

// scale_and_add: out[i] = in[i] * factor + offset, where offset is a __device__ variable.
static const char kPtx[] =
    ".version 7.0\n"
    ".target sm_52\n"
    ".address_size 64\n"
    ".visible .global .align 4 .u32 offset = 7;\n"
    ".visible .entry scale_and_add(.param .u64 out, .param .u64 in, .param .u32 factor, .param .u32 n)\n"
    "{\n"
    "  .reg .pred %p; .reg .b32 %r<8>; .reg .b64 %a<5>;\n"
    "  mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x;\n"
    "  mad.lo.u32 %r3, %r0, %r1, %r2;\n"
    "  ld.param.u32 %r4, [n];\n"
    "  setp.ge.u32 %p, %r3, %r4;\n"
    "  @%p bra done;\n"
    "  ld.param.u64 %a0, [out]; ld.param.u64 %a1, [in]; ld.param.u32 %r5, [factor];\n"
    "  cvta.to.global.u64 %a0, %a0; cvta.to.global.u64 %a1, %a1;\n"
    "  mul.wide.u32 %a2, %r3, 4; add.u64 %a0, %a0, %a2; add.u64 %a1, %a1, %a2;\n"
    "  ld.global.u32 %r6, [%a1]; ld.global.u32 %r7, [offset];\n"
    "  mad.lo.u32 %r6, %r6, %r5, %r7;\n"
    "  st.global.u32 [%a0], %r6;\n"
    "done: ret;\n"
    "}\n";

// The container, its one entry and the wrapper: formats of the fat binaries in CUDA programs.
static struct {
  unsigned magic;
  unsigned short version, header_size;
  unsigned long long size;  // of what follows
  unsigned short kind;      // 1: PTX
  unsigned short entry_version;
  unsigned entry_header_size;
  unsigned long long payload_size;
  unsigned compressed_size, options;
  unsigned short minor, major;  // of the PTX
  unsigned architecture;
  unsigned name_offset, name_size;
  unsigned long long flags, zero, uncompressed_size;
  char payload[(sizeof kPtx + 7) / 8 * 8];
} image = {
    0xBA55ED50, 1, 16, sizeof image - 16, 1, 0x101, 64, sizeof image.payload, 0, 0, 0, 7, 52, 0, 0, 0x11,
    0,          0, {0}};

static const struct {
  int magic, version;
  const void *data, *unused;
} wrapper __attribute__((section(".nvFatBinSegment"), aligned(8))) = {0x466243b1, 1, &image, NULL};

void** __cudaRegisterFatBinary(const void* wrapper);
void __cudaRegisterFatBinaryEnd(void** handle);
void __cudaUnregisterFatBinary(void** handle);
void __cudaRegisterFunction(void** handle, const char* host_function, char* device_function, const char* name,
                            int thread_limit, void* tid, void* bid, void* block, void* grid, int* warp_size);
void __cudaRegisterVar(void** handle, char* host_variable, char* device_address, const char* name,
                       int external, size_t size, int constant, int global);

static int offset;  // stands for the device variable, as nvcc's shadow does
static void** registered;

static void scale_and_add(unsigned* out, const unsigned* in, unsigned factor, unsigned n, dim3 grid,
                          dim3 block, cudaStream_t stream) {
  void* arguments[] = {&out, &in, &factor, &n};
  CHECK(cudaLaunchKernel((const void*)scale_and_add, grid, block, arguments, 0, stream));
}

static void unregister(void) { __cudaUnregisterFatBinary(registered); }

// Before main, and taken back after it, like any kernel of a program built by nvcc.
__attribute__((constructor)) static void enlist(void) {
  memcpy(image.payload, kPtx, sizeof kPtx);
  registered = __cudaRegisterFatBinary(&wrapper);
  __cudaRegisterFunction(registered, (const char*)scale_and_add, "scale_and_add", "scale_and_add", -1, NULL,
                         NULL, NULL, NULL, NULL);
  __cudaRegisterVar(registered, (char*)&offset, "offset", "offset", 0, sizeof offset, 0, 0);
  __cudaRegisterFatBinaryEnd(registered);
  atexit(unregister);
}
