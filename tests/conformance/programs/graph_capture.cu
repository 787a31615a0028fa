// SPDX-License-Identifier: BSD-3-Clause
// A graph captured from two streams that part and meet again; launched several times, with its data changed
// between; captured again with other arguments and updated; and what may not be done while capturing.
//
// expected:
// capturing: 1, afterwards: 0
// nothing had run: 0
// 5 nodes
// launched 3 times: 33
// updated: 1, launched: 53
// a synchronisation while capturing: cudaErrorStreamCaptureUnsupported
// the capture: cudaErrorStreamCaptureInvalidated
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void add(int* data, int value) { atomicAdd(data, value); }

extern "C" __global__ void sum_of(const int* a, const int* b, int* to) { *to += *a + *b; }
#endif  // __CUDACC__
KERNEL(add, int*, int);
KERNEL(sum_of, const int*, const int*, int*);

struct Data {
  Device<int> a{1}, b{1}, total{std::vector<int>{0}};
};

static cudaGraph_t capture(cudaStream_t first, cudaStream_t second, const Data& data, int value) {
  cudaGraph_t graph;
  cudaEvent_t fork, join;
  CHECK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  CHECK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  CHECK(cudaStreamBeginCapture(first, cudaStreamCaptureModeThreadLocal));
  CHECK(cudaMemsetAsync(data.a, 0, sizeof(int), first));
  CHECK(cudaEventRecord(fork, first));
  CHECK(cudaStreamWaitEvent(second, fork, 0));
  LAUNCH(add, {dim3(1), dim3(1), 0, first}, data.a, value);
  CHECK(cudaMemsetAsync(data.b, 0, sizeof(int), second));
  LAUNCH(add, {dim3(1), dim3(1), 0, second}, data.b, 10);
  CHECK(cudaEventRecord(join, second));
  CHECK(cudaStreamWaitEvent(first, join, 0));
  LAUNCH(sum_of, {dim3(1), dim3(1), 0, first}, data.a, data.b, data.total);
  cudaStreamCaptureStatus during, after;
  CHECK(cudaStreamIsCapturing(second, &during));
  CHECK(cudaStreamEndCapture(first, &graph));
  CHECK(cudaStreamIsCapturing(second, &after));
  if (value == 1)
    std::printf("capturing: %d, afterwards: %d\n", during == cudaStreamCaptureStatusActive,
                after != cudaStreamCaptureStatusNone);
  CHECK(cudaEventDestroy(fork));
  CHECK(cudaEventDestroy(join));
  return graph;
}

static bool update(cudaGraphExec_t executable, cudaGraph_t graph) {
#if CUDART_VERSION >= 12000
  cudaGraphExecUpdateResultInfo info;
  return cudaGraphExecUpdate(executable, graph, &info) == cudaSuccess &&
         info.result == cudaGraphExecUpdateSuccess;
#endif
}

static void check_forbidden(cudaStream_t stream, const Data& data) {
  cudaGraph_t none = nullptr;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  LAUNCH(add, {dim3(1), dim3(1), 0, stream}, data.a, 1);
  const cudaError_t wait = cudaStreamSynchronize(stream), end = cudaStreamEndCapture(stream, &none);
  std::printf("a synchronisation while capturing: %s\nthe capture: %s\n", cudaGetErrorName(wait),
              cudaGetErrorName(end));
  REQUIRE(none == nullptr);
  cudaGetLastError();
}

int main() {
  const Data data;
  cudaStream_t first, second;
  CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  cudaGraph_t graph = capture(first, second, data, 1);
  std::printf("nothing had run: %d\n", data.total.read()[0]);
  size_t nodes;
  CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
  std::printf("%zu nodes\n", nodes);
  cudaGraphExec_t executable;
  CHECK(cudaGraphInstantiateWithFlags(&executable, graph, 0));
  CHECK(cudaGraphUpload(executable, first));
  for (int i = 0; i < 3; ++i) CHECK(cudaGraphLaunch(executable, first));
  CHECK(cudaStreamSynchronize(first));
  std::printf("launched 3 times: %d\n", data.total.read()[0]);
  cudaGraph_t other = capture(first, second, data, 10);
  const bool updated = update(executable, other);
  CHECK(cudaGraphLaunch(executable, second));
  CHECK(cudaStreamSynchronize(second));
  std::printf("updated: %d, launched: %d\n", updated, data.total.read()[0]);
  check_forbidden(first, data);
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaGraphDestroy(other));
  CHECK(cudaStreamDestroy(first));
  CHECK(cudaStreamDestroy(second));
  return done();
}
