// SPDX-License-Identifier: BSD-3-Clause
// Replays a trace of driver calls for a while. Usage: replay TRACE SECONDS. training_step.txt says what the
// lines mean. The kernels are made up: their names tell the null driver the sizes of their parameters.
#include <string.h>

#include "work.h"

enum { kMostCalls = 20000, kMostKernels = 200, kMostNames = 16, kMostParameters = 64 };
enum { kMostSteps = 10000, kHostBytes = 4 << 20, kDeviceBytes = 64 << 20 };

struct call {
  char name[16];
  long a, b, c;  // as they stand in the line
};

static struct call calls[kMostCalls];
static int call_count;

static struct {
  char name[400];
  void* parameters[kMostParameters];
  CUkernel kernel;
} kernels[kMostKernels];
static int kernel_count;

static CUstream streams[kMostNames];  // 0 is the default stream
static CUevent events[kMostNames];
static CUdeviceptr device;
static char* host;

// "kernel NUMBER SIZE…"
static void declare(const char* line) {
  static uint64_t zeros[4096 / sizeof(uint64_t)];
  char name[sizeof kernels->name];
  int used = 0, parameters = 0, size, number;
  require(sscanf(line, "kernel %d%n", &number, &used) == 1 && number == kernel_count, "kernels are numbered");
  int length = sprintf(name, "k%d_", number);
  for (line += used; sscanf(line, "%d%n", &size, &used) == 1; line += used) {
    require(parameters < kMostParameters && size <= (int)sizeof zeros, "parameters");
    kernels[number].parameters[parameters++] = zeros;
    length += sprintf(name + length, "_%d", size);
  }
  strcpy(kernels[kernel_count++].name, parameters ? name : "none__");
}

static void read_trace(const char* path) {
  char line[400];
  FILE* file = fopen(path, "r");
  require(file != NULL, path);
  while (fgets(line, sizeof line, file)) {
    struct call* call = &calls[call_count];
    if (line[0] == '#' || line[0] == '\n') continue;
    if (strncmp(line, "kernel ", 7) == 0) {
      declare(line);
      continue;
    }
    require(call_count < kMostCalls, "too many calls");
    if (sscanf(line, "%15s %ld %ld %ld", call->name, &call->a, &call->b, &call->c) > 1) call_count++;
  }
  fclose(file);
}

static void load_kernels(void) {
  CUlibrary library;
  char* image = malloc(kernel_count * (sizeof kernels->name + 100) + 100);
  int length = sprintf(image, ".version 7.0\n.target sm_70\n.address_size 64\n");
  for (int i = 0; i < kernel_count; i++)
    length += sprintf(image + length, ".visible .entry %s() { ret; }\n", kernels[i].name);
  CHECK(cuLibraryLoadData(&library, image, NULL, NULL, 0, NULL, NULL, 0));
  for (int i = 0; i < kernel_count; i++)
    CHECK(cuLibraryGetKernel(&kernels[i].kernel, library, kernels[i].name));
}

static void make(const struct call* call) {
  const char* is = call->name;
  if (strcmp(is, "launch") == 0) {
    CHECK(cuLaunchKernel((CUfunction)kernels[call->a].kernel, 1, 1, 1, 256, 1, 1, 0, streams[call->b],
                         kernels[call->a].parameters, NULL));
  } else if (strcmp(is, "attribute") == 0) {
    CHECK(cuKernelSetAttribute((CUfunction_attribute)call->b, call->c, kernels[call->a].kernel, 0));
  } else if (strcmp(is, "occupancy") == 0) {
    int blocks;
    CHECK(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, (CUfunction)kernels[call->a].kernel,
                                                               call->b, call->c, 0));
  } else if (strcmp(is, "memset") == 0) {
    CHECK(cuMemsetD8Async(device, 0, call->a, streams[call->b]));
  } else if (strcmp(is, "to_device") == 0) {
    CHECK(cuMemcpyHtoDAsync(device, host, call->a, streams[call->b]));
  } else if (strcmp(is, "to_host") == 0) {
    CHECK(cuMemcpyDtoHAsync(host, device, call->a, streams[call->b]));
  } else if (strcmp(is, "record") == 0) {
    CHECK(cuEventRecord(events[call->a], streams[call->b]));
  } else if (strcmp(is, "wait") == 0) {
    CHECK(cuStreamWaitEvent(streams[call->b], events[call->a], 0));
  } else if (strcmp(is, "synchronise") == 0) {
    CHECK(cuStreamSynchronize(streams[call->a]));
  } else {
    fprintf(stderr, "the trace has an unknown call, %s\n", is);
    exit(1);
  }
}

static double step_s(void) {
  const double start = now_s();
  for (int i = 0; i < call_count; i++) make(&calls[i]);
  return now_s() - start;
}

int main(int argc, char** argv) {
  static double took[kMostSteps];
  require(argc == 3, "usage: replay TRACE SECONDS");
  read_trace(argv[1]);
  start_context();
  load_kernels();
  for (int i = 1; i < kMostNames; i++) CHECK(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
  for (int i = 0; i < kMostNames; i++) CHECK(cuEventCreate(&events[i], CU_EVENT_DISABLE_TIMING));
  CHECK(cuMemAlloc(&device, kDeviceBytes));
  CHECK(cuMemHostAlloc((void**)&host, kHostBytes, 0));
  step_s();
  int steps = 0;
  for (const double end = now_s() + atof(argv[2]); steps == 0 || (now_s() < end && steps < kMostSteps);)
    took[steps++] = step_s();
  printf("steps %d\nstep_ms %.4f\n", steps, quantile(took, steps, 0.5) * 1e3);
  return 0;
}
