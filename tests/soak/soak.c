// SPDX-License-Identifier: BSD-3-Clause
// Launches without end, with events, copies and memory between them. Usage: soak LAUNCHES STEP MARKS: how many in
// all, how many between two looks at the rest, and how often to stop on the way. At such a mark nothing is under
// way: it prints the number of launches so far and waits for a line, so that memory can be looked at.
#define _GNU_SOURCE
#include <cuda.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBlock = 64 << 10, kStepsPerObjects = 64 };

// The null driver has one kernel, with these parameters.
static const char kKernel[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry vadd(.param .u64 a,.param .u64 b,.param .u64 c,.param .u32 n)\n{\n ret;\n}\n";

static void check(CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return;
  fprintf(stderr, "%s failed with CUresult %d\n", call, result);
  exit(1);
}
#define CHECK(call) check((call), #call)

static CUfunction kernel;
static CUstream stream;
static CUevent event;
static CUdeviceptr data;

static CUfunction load(CUmodule* module) {
  CUfunction function;
  CHECK(cuModuleLoadData(module, kKernel));
  CHECK(cuModuleGetFunction(&function, *module, "vadd"));
  return function;
}

static void launch(CUfunction function) {
  unsigned n = 1;
  void* arguments[] = {&data, &data, &data, &n};
  CHECK(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, arguments, NULL));
}

// What a program does besides launching, in each step.
static void accompany(void) {
  static char out[4096];
  unsigned in;
  CUdeviceptr block, ordered;
  CHECK(cuMemAlloc(&block, kBlock));
  CHECK(cuMemAllocAsync(&ordered, kBlock, stream));
  CHECK(cuMemcpyHtoDAsync(block, out, sizeof out, stream));
  CHECK(cuEventRecord(event, stream));
  CHECK(cuMemFreeAsync(ordered, stream));
  CHECK(cuMemcpyDtoHAsync(&in, block, sizeof in, stream));
  CHECK(cuMemFree(block));
  CUresult done;
  while ((done = cuEventQuery(event)) == CUDA_ERROR_NOT_READY) {
  }
  CHECK(done);
}

// Objects that come and go less often.
static void make_and_end_objects(void) {
  CUmodule module;
  CUstream other;
  CUevent marker;
  CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
  CHECK(cuEventCreate(&marker, CU_EVENT_DISABLE_TIMING));
  launch(load(&module));
  CHECK(cuEventRecord(marker, other));
  CHECK(cuStreamWaitEvent(stream, marker, 0));
  CHECK(cuStreamSynchronize(stream));
  CHECK(cuModuleUnload(module));
  CHECK(cuEventDestroy(marker));
  CHECK(cuStreamDestroy(other));
}

static void set_up(void) {
  CUdevice device;
  CUcontext context;
  CUmodule module;
  CHECK(cuInit(0));
  CHECK(cuDeviceGet(&device, 0));
  CHECK(cuDevicePrimaryCtxRetain(&context, device));
  CHECK(cuCtxSetCurrent(context));
  kernel = load(&module);
  CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  CHECK(cuMemAlloc(&data, kBlock));
}

static void mark(uint64_t launches) {
  CHECK(cuCtxSynchronize());
  printf("%llu\n", (unsigned long long)launches);
  fflush(stdout);
  if (getchar() == EOF) exit(1);
}

int main(int argc, char** argv) {
  const uint64_t each = strtoull(argv[2], NULL, 10);
  const uint64_t steps = strtoull(argv[1], NULL, 10) / each;
  const uint64_t marks = strtoull(argv[3], NULL, 10);
  set_up();
  for (uint64_t step = 0, marked = 0; step < steps; step++) {
    for (uint64_t i = 0; i < each; i++) launch(kernel);
    accompany();
    if (step % kStepsPerObjects == 0) make_and_end_objects();
    if ((step + 1) * marks < (marked + 1) * steps) continue;
    marked++;
    mark((step + 1) * each);
  }
  return 0;
}
