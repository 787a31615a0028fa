// SPDX-License-Identifier: BSD-3-Clause
// Events: recorded, waited for, asked, and the time between two; a stream that waits for another's event; an
// event without timing.
//
// expected:
// time between them: not negative 1, in order 1
// not recorded: cudaErrorInvalidResourceHandle
// after the other stream's work: 7
// without timing: cudaErrorInvalidResourceHandle
// pending: cudaErrorNotReady, then cudaSuccess
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void spin_then_store(int turns, int* to, int value) {
  unsigned x = value;
  for (int i = 0; i < turns; ++i) x = x * 1664525u + 1013904223u;
  *to = x == 12345u ? 0 : value;
}

extern "C" __global__ void wait_then_end(volatile int* flag) {
  while (*flag == 0) {
  }
}
#endif  // __CUDACC__
KERNEL(spin_then_store, int, int*, int);
KERNEL(wait_then_end, volatile int*);

static void check_times() {
  const Device<int> to(1);
  cudaEvent_t a, b, c;
  for (cudaEvent_t* event : {&a, &b, &c}) CHECK(cudaEventCreate(event));
  CHECK(cudaEventRecord(a));
  LAUNCH(spin_then_store, {dim3(1), dim3(32)}, 2000, to, 1);
  CHECK(cudaEventRecord(b));
  LAUNCH(spin_then_store, {dim3(1), dim3(32)}, 2000, to, 1);
  CHECK(cudaEventRecord(c));
  CHECK(cudaEventSynchronize(c));
  CHECK(cudaEventQuery(a));
  float ab, ac;
  CHECK(cudaEventElapsedTime(&ab, a, b));
  CHECK(cudaEventElapsedTime(&ac, a, c));
  std::printf("time between them: not negative %d, in order %d\n", ab >= 0, ac >= ab);
  cudaEvent_t fresh;
  CHECK(cudaEventCreate(&fresh));
  std::printf("not recorded: %s\n", cudaGetErrorName(cudaEventElapsedTime(&ab, a, fresh)));
  cudaGetLastError();
  for (const cudaEvent_t event : {a, b, c, fresh}) CHECK(cudaEventDestroy(event));
}

static int across_streams() {
  const Device<int> to(1), copy(1);
  cudaStream_t first, second;
  cudaEvent_t stored;
  CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  CHECK(cudaEventCreateWithFlags(&stored, cudaEventDisableTiming));
  LAUNCH(spin_then_store, {dim3(1), dim3(1), 0, first}, 20000, to, 7);
  CHECK(cudaEventRecord(stored, first));
  CHECK(cudaStreamWaitEvent(second, stored, 0));
  CHECK(cudaMemcpyAsync(copy, to, sizeof(int), cudaMemcpyDeviceToDevice, second));
  CHECK(cudaStreamSynchronize(second));
  CHECK(cudaEventDestroy(stored));
  CHECK(cudaStreamDestroy(first));
  CHECK(cudaStreamDestroy(second));
  return copy.read()[0];
}

static const char* time_without_timing() {
  cudaEvent_t plain;
  float time;
  CHECK(cudaEventCreateWithFlags(&plain, cudaEventDisableTiming));
  CHECK(cudaEventRecord(plain));
  CHECK(cudaEventSynchronize(plain));
  const cudaError_t error = cudaEventElapsedTime(&time, plain, plain);
  cudaGetLastError();
  CHECK(cudaEventDestroy(plain));
  return cudaGetErrorName(error);
}

static void check_pending() {
  const Device<int> flag(std::vector<int>{0});
  const int one = 1;
  cudaStream_t working, other;
  cudaEvent_t end;
  CHECK(cudaStreamCreateWithFlags(&working, cudaStreamNonBlocking));
  CHECK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  CHECK(cudaEventCreateWithFlags(&end, cudaEventBlockingSync));
  LAUNCH(wait_then_end, {dim3(1), dim3(1), 0, working}, flag);
  CHECK(cudaEventRecord(end, working));
  const cudaError_t before = cudaEventQuery(end);
  CHECK(cudaMemcpyAsync(flag, &one, sizeof one, cudaMemcpyHostToDevice, other));
  CHECK(cudaEventSynchronize(end));
  std::printf("pending: %s, then %s\n", cudaGetErrorName(before), cudaGetErrorName(cudaEventQuery(end)));
  CHECK(cudaEventDestroy(end));
  CHECK(cudaStreamDestroy(working));
  CHECK(cudaStreamDestroy(other));
}

int main() {
  REQUIRE(handle(wait_then_end) != nullptr);
  check_times();
  std::printf("after the other stream's work: %d\n", across_streams());
  std::printf("without timing: %s\n", time_without_timing());
  check_pending();
  return done();
}
