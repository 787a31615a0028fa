// SPDX-License-Identifier: BSD-3-Clause
// Managed memory: one pointer for host and device, each seeing what the other wrote after a synchronisation;
// advice, prefetching, a linked list, and a copy to and from plain memory.
//
// expected:
// managed: 1
// the host sees 1000 sums, 0 wrong
// and after its own change 0 wrong
// a list of 10 nodes sums up to 45, and the kernel doubled it: 90
// filled with cudaMemset: 0 wrong
// ok
#include "conformance.h"

#ifdef __CUDACC__
struct Node {
  int value;
  Node* next;
};

extern "C" __global__ void add_one(int* data, int length) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) data[i] += 1;
}

extern "C" __global__ void walk(Node* node, int* sum) {
  for (; node; node = node->next) {
    *sum += node->value;
    node->value *= 2;
  }
}
#else
struct Node {
  int value;
  Node* next;
};
#endif  // __CUDACC__
KERNEL(add_one, int*, int);
KERNEL(walk, Node*, int*);

static int count_wrong(const int* data, int length, int more) {
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += data[i] != i * 3 + more;
  return wrong;
}

static void prefetch(const void* memory, size_t bytes) {
#if CUDART_VERSION >= 13000
  const cudaMemLocation device = {cudaMemLocationTypeDevice, 0};
  CHECK(cudaMemAdvise(memory, bytes, cudaMemAdviseSetReadMostly, device));
  CHECK(cudaMemAdvise(memory, bytes, cudaMemAdviseUnsetReadMostly, device));
  CHECK(cudaMemPrefetchAsync(memory, bytes, device, 0, nullptr));
#else
  CHECK(cudaMemAdvise(memory, bytes, cudaMemAdviseSetReadMostly, 0));
  CHECK(cudaMemAdvise(memory, bytes, cudaMemAdviseUnsetReadMostly, 0));
  CHECK(cudaMemPrefetchAsync(memory, bytes, 0, nullptr));
#endif
}

static void check_list() {
  Node* nodes;
  int* sum;
  CHECK(cudaMallocManaged(&nodes, 10 * sizeof(Node)));
  CHECK(cudaMallocManaged(&sum, sizeof(int)));
  *sum = 0;
  for (int i = 0; i < 10; ++i) nodes[i] = {i, i < 9 ? nodes + i + 1 : nullptr};
  LAUNCH(walk, {dim3(1), dim3(1)}, nodes, sum);
  CHECK(cudaDeviceSynchronize());
  int doubled = 0;
  for (const Node* node = nodes; node; node = node->next) doubled += node->value;
  std::printf("a list of 10 nodes sums up to %d, and the kernel doubled it: %d\n", *sum, doubled);
  CHECK(cudaFree(nodes));
  CHECK(cudaFree(sum));
}

int main() {
  const int length = 1000;
  const size_t bytes = length * sizeof(int);
  int* data;
  CHECK(cudaMallocManaged(&data, bytes));
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, data));
  std::printf("managed: %d\n", attributes.type == cudaMemoryTypeManaged);
  for (int i = 0; i < length; ++i) data[i] = i * 3;
  prefetch(data, bytes);
  LAUNCH(add_one, {dim3(8), dim3(128)}, data, length);
  CHECK(cudaDeviceSynchronize());
  std::printf("the host sees %d sums, %d wrong\n", length, count_wrong(data, length, 1));
  for (int i = 0; i < length; i += 2) data[i] += 5;
  LAUNCH(add_one, {dim3(8), dim3(128)}, data, length);
  CHECK(cudaDeviceSynchronize());
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += data[i] != i * 3 + 2 + (i % 2 ? 0 : 5);
  std::printf("and after its own change %d wrong\n", wrong);
  check_list();
  CHECK(cudaMemset(data, 1, bytes));
  CHECK(cudaDeviceSynchronize());
  wrong = 0;
  for (int i = 0; i < length; ++i) wrong += data[i] != 0x01010101;
  std::vector<int> copy(length);
  CHECK(cudaMemcpy(copy.data(), data, bytes, cudaMemcpyDefault));
  REQUIRE(copy[length / 2] == 0x01010101);
  std::printf("filled with cudaMemset: %d wrong\n", wrong);
  CHECK(cudaFree(data));
  return done();
}
