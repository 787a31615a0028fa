// SPDX-License-Identifier: BSD-3-Clause
// Device-side new, delete, malloc and free: a linked list a thread.
#include <cstdlib>
struct Node {
  int value;
  Node* next;
};

extern "C" __global__ void lists(int* out, int length) {
  Node* head = nullptr;
  for (int i = 0; i < length; ++i) head = new Node{i * (int)(threadIdx.x + 1), head};
  int sum = 0;
  while (head) {
    Node* next = head->next;
    sum += head->value;
    delete head;
    head = next;
  }
  int* scratch = static_cast<int*>(malloc(length * sizeof(int)));
  for (int i = 0; i < length; ++i) scratch[i] = sum;
  out[blockIdx.x * blockDim.x + threadIdx.x] = scratch[length - 1];
  free(scratch);
}
