// SPDX-License-Identifier: BSD-3-Clause
// Leaves main with everything still allocated and work in flight on every GPU: the runtime tidies up.
#include "compiled.h"

int main(int count, char** arguments) {
  enum { kNumbers = 1 << 20 };
  const int devices = count == 2 ? atoi(arguments[1]) : 0;
  for (int device = 0; device < devices; ++device) {
    unsigned *in, *out;
    cudaStream_t streams[4];
    CHECK(cudaSetDevice(device));
    CHECK(cudaMalloc((void**)&in, kNumbers * sizeof *in));
    CHECK(cudaMalloc((void**)&out, kNumbers * sizeof *out));
    for (int i = 0; i < 4; ++i) {
      CHECK(cudaStreamCreateWithFlags(&streams[i], cudaStreamNonBlocking));
      scale_and_add(out, in, 2, kNumbers, (dim3){kNumbers / 256, 1, 1}, (dim3){256, 1, 1}, streams[i]);
    }
  }
  puts("ok");
  return 0;
}
