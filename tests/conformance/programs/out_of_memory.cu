// SPDX-License-Identifier: BSD-3-Clause
// The share's memory: taken until there is no more, which is an error that passes; all of it given back.
//
// expected:
// more than there is: cudaErrorMemoryAllocation, no address
// in pieces until: cudaErrorMemoryAllocation
// most of it could be had: 1, and the figures agree: 1
// the error has passed: cudaSuccess
// all given back: 1
// ok
#include "conformance.h"

static size_t free_bytes() {
  size_t free, total;
  CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

int main() {
  size_t free, total;
  CHECK(cudaMemGetInfo(&free, &total));
  void* all = nullptr;
  std::printf("more than there is: %s", cudaGetErrorName(cudaMalloc(&all, total + (size_t{1} << 30))));
  std::printf(", %s address\n", all ? "an" : "no");
  std::vector<void*> pieces;
  const size_t piece = total / 20;
  cudaError_t error;
  for (void* memory; (error = cudaMalloc(&memory, piece)) == cudaSuccess;) pieces.push_back(memory);
  std::printf("in pieces until: %s\n", cudaGetErrorName(error));
  const size_t taken = pieces.size() * piece, left = free_bytes();
  std::printf("most of it could be had: %d, and the figures agree: %d\n", taken + 2 * piece >= free,
              taken + left <= free && left < piece + (free >> 4));
  cudaGetLastError();
  std::printf("the error has passed: %s\n", cudaGetErrorName(cudaDeviceSynchronize()));
  for (void* memory : pieces) CHECK(cudaFree(memory));
  std::printf("all given back: %d\n", free_bytes() + (free >> 6) >= free);
  return done();
}
