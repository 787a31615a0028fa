// SPDX-License-Identifier: BSD-3-Clause
// Functions of the host that a stream calls: in order with its other work, on a thread that is not the
// caller's, with what earlier work brought to the host; in both forms that CUDA has.
//
// expected:
// the function saw 8, then 16
// in order: 1 2 3 4 5 6 7 8
// on the caller's thread: 0
// the callback saw cudaSuccess and its own stream: 1
// a second stream waited for the function: 99
// ok
#include <pthread.h>
#include <unistd.h>

#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void twice(int* data) { *data *= 2; }
#endif  // __CUDACC__
KERNEL(twice, int*);

struct Seen {
  const int* source;
  int value;
  pthread_t thread;
};

static void CUDART_CB look(void* of) {
  Seen* seen = static_cast<Seen*>(of);
  seen->value = *seen->source;
  seen->thread = pthread_self();
}

static std::vector<int> order;

static void CUDART_CB note(void* number) {
  order.push_back(static_cast<int>(reinterpret_cast<size_t>(number)));
}

struct Called {
  cudaStream_t stream;
  cudaError_t status;
};

static void CUDART_CB called_back(cudaStream_t stream, cudaError_t status, void* of) {
  *static_cast<Called*>(of) = {stream, status};
}

static void CUDART_CB set_slowly(void* of) {
  usleep(20000);
  *static_cast<int*>(of) = 99;
}

static int after_a_slow_function(cudaStream_t first, cudaStream_t second) {
  int *host, *copied;
  cudaEvent_t done;
  const Device<int> there(1);
  CHECK(cudaMallocHost(&host, 2 * sizeof(int)));
  copied = host + 1;
  host[0] = host[1] = 0;
  CHECK(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  CHECK(cudaLaunchHostFunc(first, set_slowly, host));
  CHECK(cudaEventRecord(done, first));
  CHECK(cudaStreamWaitEvent(second, done, 0));
  CHECK(cudaMemcpyAsync(there, host, sizeof(int), cudaMemcpyHostToDevice, second));
  CHECK(cudaMemcpyAsync(copied, there, sizeof(int), cudaMemcpyDeviceToHost, second));
  CHECK(cudaStreamSynchronize(second));
  const int seen = *copied;
  CHECK(cudaEventDestroy(done));
  CHECK(cudaFreeHost(host));
  return seen;
}

int main() {
  cudaStream_t stream, second;
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  const Device data(std::vector<int>{4});
  int* host;
  CHECK(cudaMallocHost(&host, 2 * sizeof(int)));
  Seen first_seen = {host, 0, pthread_self()}, second_seen = {host + 1, 0, pthread_self()};
  LAUNCH(twice, {dim3(1), dim3(1), 0, stream}, data);
  CHECK(cudaMemcpyAsync(host, data, sizeof(int), cudaMemcpyDeviceToHost, stream));
  CHECK(cudaLaunchHostFunc(stream, look, &first_seen));
  LAUNCH(twice, {dim3(1), dim3(1), 0, stream}, data);
  CHECK(cudaMemcpyAsync(host + 1, data, sizeof(int), cudaMemcpyDeviceToHost, stream));
  CHECK(cudaLaunchHostFunc(stream, look, &second_seen));
  CHECK(cudaStreamSynchronize(stream));
  std::printf("the function saw %d, then %d\n", first_seen.value, second_seen.value);
  for (size_t i = 1; i <= 8; ++i) CHECK(cudaLaunchHostFunc(stream, note, reinterpret_cast<void*>(i)));
  CHECK(cudaStreamSynchronize(stream));
  std::printf("in order:");
  for (const int number : order) std::printf(" %d", number);
  std::printf("\non the caller's thread: %d\n", pthread_equal(first_seen.thread, pthread_self()) != 0);
  Called called = {};
  CHECK(cudaStreamAddCallback(stream, called_back, &called, 0));
  CHECK(cudaStreamSynchronize(stream));
  std::printf("the callback saw %s and its own stream: %d\n", cudaGetErrorName(called.status),
              called.stream == stream);
  std::printf("a second stream waited for the function: %d\n", after_a_slow_function(stream, second));
  CHECK(cudaFreeHost(host));
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaStreamDestroy(second));
  return done();
}
