// SPDX-License-Identifier: BSD-3-Clause
// Copies, a device variable, streams, events and launches on every GPU of the lease, and an ordinary end.
#include "compiled.h"

enum { kCount = 10000, kBytes = kCount * sizeof(unsigned) };

static void compute(unsigned factor, int shift) {
  unsigned *host, *in, *out;
  cudaStream_t stream;
  cudaEvent_t begin, end;
  float milliseconds = -1;
  CHECK(cudaMallocHost((void**)&host, kBytes));
  CHECK(cudaMalloc((void**)&in, kBytes));
  CHECK(cudaMalloc((void**)&out, kBytes));
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaEventCreate(&begin));
  CHECK(cudaEventCreate(&end));
  for (unsigned i = 0; i < kCount; ++i) host[i] = i;
  CHECK(cudaMemcpyToSymbol(&offset, &shift, sizeof shift, 0, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpyAsync(in, host, kBytes, cudaMemcpyHostToDevice, stream));
  CHECK(cudaEventRecord(begin, stream));
  scale_and_add(out, in, factor, kCount, (dim3){40, 1, 1}, (dim3){256, 1, 1}, stream);
  CHECK(cudaEventRecord(end, stream));
  CHECK(cudaMemsetAsync(in, 0, kBytes, stream));
  CHECK(cudaMemcpyAsync(host, out, kBytes, cudaMemcpyDeviceToHost, stream));
  CHECK(cudaStreamSynchronize(stream));
  for (unsigned i = 0; i < kCount; ++i) EXPECT(host[i] == i * factor + (unsigned)shift);
  CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
  EXPECT(milliseconds >= 0);
  CHECK(cudaEventDestroy(begin));
  CHECK(cudaEventDestroy(end));
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  CHECK(cudaFreeHost(host));
}

int main(int count, char** arguments) {
  int devices = 0, driver = 0, runtime = 0, blocks = 0;
  struct cudaFuncAttributes attributes;
  CHECK(cudaGetDeviceCount(&devices));
  EXPECT(count == 2 && devices == atoi(arguments[1]));
  for (int device = 0; device < devices; ++device) {
    struct cudaDeviceProp properties;
    CHECK(cudaSetDevice(device));
    CHECK(cudaGetDeviceProperties(&properties, device));
    EXPECT(properties.warpSize == 32 && properties.totalGlobalMem > 0 && properties.name[0]);
    compute(3, 100 * device);
    compute(5, -1);
    CHECK(cudaFuncGetAttributes(&attributes, (const void*)scale_and_add));
    EXPECT(attributes.maxThreadsPerBlock >= 256);
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, (const void*)scale_and_add, 256, 0));
    EXPECT(blocks > 0);
  }
  EXPECT(cudaSetDevice(devices) == cudaErrorInvalidDevice);
  EXPECT(cudaGetLastError() == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError());
  CHECK(cudaDriverGetVersion(&driver));
  CHECK(cudaRuntimeGetVersion(&runtime));
  printf("runtime %d ok\n", runtime);
  return 0;
}
