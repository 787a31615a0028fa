// SPDX-License-Identifier: BSD-3-Clause
// What driver calls cost, with whatever libcuda.so.1 the loader finds. Prints one figure a line: name_unit
// value. Usage: driver_api [quick]; any argument makes a short run.
#define _GNU_SOURCE
#include <cuda.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static int ascending(const void* left, const void* right) {
  const double a = *(const double*)left, b = *(const double*)right;
  return (a > b) - (a < b);
}

// The kernel under test with arguments that live as long as the program.
static struct {
  CUfunction function;
  CUstream stream;
  CUdeviceptr a, b, out;
  unsigned n;
} work;

static void launch(void) {
  void* arguments[] = {&work.a, &work.b, &work.out, &work.n};
  CHECK(cuLaunchKernel(work.function, 1, 1, 1, 256, 1, 1, 0, work.stream, arguments, NULL));
}

static void set_up(void) {
  CUdevice device;
  CUcontext context;
  CUmodule module;
  double start = now_s();
  CHECK(cuInit(0));
  CHECK(cuDeviceGet(&device, 0));
  CHECK(cuDevicePrimaryCtxRetain(&context, device));
  CHECK(cuCtxSetCurrent(context));
  CHECK(cuCtxSynchronize());
  printf("init_ms %.2f\n", (now_s() - start) * 1e3);
  start = now_s();
  CHECK(cuModuleLoadData(&module, kVectorAdd));
  CHECK(cuModuleGetFunction(&work.function, module, "vadd"));
  printf("module_load_ms %.3f\n", (now_s() - start) * 1e3);
  CHECK(cuStreamCreate(&work.stream, CU_STREAM_NON_BLOCKING));
  CHECK(cuMemAlloc(&work.a, 4096));
  CHECK(cuMemAlloc(&work.b, 4096));
  CHECK(cuMemAlloc(&work.out, 4096));
  work.n = 256;
  launch();
  CHECK(cuStreamSynchronize(work.stream));
}

// enqueue: what the caller pays for a launch; through: until the device has seen them all, per launch.
static void asynchronous_launches(int count) {
  const double start = now_s();
  for (int i = 0; i < count; i++) launch();
  const double enqueued = now_s() - start;
  CHECK(cuStreamSynchronize(work.stream));
  printf("launch_enqueue_us %.3f\nlaunch_through_us %.3f\n", enqueued / count * 1e6,
         (now_s() - start) / count * 1e6);
}

static void launch_and_synchronise(int count) {
  double* took = malloc(count * sizeof *took);
  for (int i = 0; i < count; i++) {
    const double start = now_s();
    launch();
    CHECK(cuStreamSynchronize(work.stream));
    took[i] = now_s() - start;
  }
  qsort(took, count, sizeof *took, ascending);
  printf("launch_sync_us_p50 %.2f\nlaunch_sync_us_p99 %.2f\n", took[count / 2] * 1e6,
         took[count * 99 / 100] * 1e6);
  free(took);
}

// The shape of an eager framework's step: ten launches, an event, one scalar back to the host.
static void steps_of_ten(int count) {
  CUevent event;
  float scalar;
  CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  const double start = now_s();
  for (int i = 0; i < count; i++) {
    for (int k = 0; k < 10; k++) launch();
    CHECK(cuEventRecord(event, work.stream));
    CHECK(cuMemcpyDtoHAsync(&scalar, work.out, sizeof scalar, work.stream));
    CHECK(cuStreamSynchronize(work.stream));
  }
  printf("step10_us %.2f\n", (now_s() - start) / count * 1e6);
  CHECK(cuEventDestroy(event));
}

static void allocations(int count) {
  const double start = now_s();
  for (int i = 0; i < count; i++) {
    CUdeviceptr pointer;
    CHECK(cuMemAlloc(&pointer, 1 << 16));
    CHECK(cuMemFree(pointer));
  }
  printf("alloc_free_us %.2f\n", (now_s() - start) / count * 1e6);
}

// Random bytes, so that nothing on the way can gain by compressing them.
static void* random_bytes(size_t size) {
  uint64_t* words = aligned_alloc(4096, size);
  uint64_t state = 88172645463325252ull;
  for (size_t i = 0; i < size / sizeof *words; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    words[i] = state;
  }
  return words;
}

static void copies(size_t size, int count) {
  CUdeviceptr device;
  void* host = random_bytes(size);
  CHECK(cuMemAlloc(&device, size));
  CHECK(cuMemcpyHtoD(device, host, size));
  CHECK(cuCtxSynchronize());
  double start = now_s();
  for (int i = 0; i < count; i++) CHECK(cuMemcpyHtoD(device, host, size));
  CHECK(cuCtxSynchronize());
  const double up = now_s() - start;
  start = now_s();
  for (int i = 0; i < count; i++) CHECK(cuMemcpyDtoH(host, device, size));
  const double down = now_s() - start;
  printf("h2d_%zuK_GBps %.3f\nd2h_%zuK_GBps %.3f\n", size >> 10, size * count / up / 1e9, size >> 10,
         size * count / down / 1e9);
  CHECK(cuMemFree(device));
  free(host);
}

int main(int argc, char** argv) {
  const int part = argc > 1 ? 10 : 1;
  set_up();
  asynchronous_launches(200000 / part);
  launch_and_synchronise(20000 / part);
  steps_of_ten(5000 / part);
  allocations(3000 / part);
  copies(4096, 2000 / part);
  copies(1 << 16, 2000 / part);
  copies(1 << 20, 200 / part);
  copies(16 << 20, 20 / part);
  copies(256 << 20, argc > 1 ? 2 : 4);
  return 0;
}
