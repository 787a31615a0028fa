// SPDX-License-Identifier: BSD-3-Clause
// One-dimensional textures: of linear memory, read by index; and of a CUDA array, with a linear filter.
//
// expected:
// linear memory of 1000 numbers: 0 wrong; out of range: 0
// vectors of four: 6 7 8 9
// array, between 3 and 4: 3.25
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__global__ void read_all(cudaTextureObject_t texture, int* to, int length) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < length) to[i] = tex1Dfetch<int>(texture, i);
}

__global__ void read_four(cudaTextureObject_t texture, int index, float* to) {
  const float4 four = tex1Dfetch<float4>(texture, index);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

__global__ void between(cudaTextureObject_t texture, float x, float* to) { *to = tex1D<float>(texture, x); }
}
#endif  // __CUDACC__
KERNEL(read_all, cudaTextureObject_t, int*, int);
KERNEL(read_four, cudaTextureObject_t, int, float*);
KERNEL(between, cudaTextureObject_t, float, float*);

static cudaTextureObject_t texture_of(void* memory, size_t bytes, cudaChannelFormatDesc format) {
  cudaTextureObject_t object;
  cudaResourceDesc resource = {};
  cudaTextureDesc texture = {};
  resource.resType = cudaResourceTypeLinear;
  resource.res.linear = {memory, format, bytes};
  CHECK(cudaCreateTextureObject(&object, &resource, &texture, nullptr));
  return object;
}

static void check_linear() {
  const int length = 1000;
  std::vector<int> values(length);
  for (int i = 0; i < length; ++i) values[i] = i * i;
  const Device data(values);
  const Device<int> to(length + 1);
  const cudaTextureObject_t texture =
      texture_of(data, data.bytes(), {32, 0, 0, 0, cudaChannelFormatKindSigned});
  LAUNCH(read_all, {dim3(4), dim3(256)}, texture, to, length + 1);
  const std::vector<int> seen = to.read();
  int wrong = 0;
  for (int i = 0; i < length; ++i) wrong += seen[i] != values[i];
  std::printf("linear memory of %d numbers: %d wrong; out of range: %d\n", length, wrong, seen[length]);
  CHECK(cudaDestroyTextureObject(texture));
}

static void check_vectors() {
  std::vector<float> values(16);
  for (int i = 0; i < 16; ++i) values[i] = static_cast<float>(i + 2);
  const Device data(values);
  const Device<float> to(4);
  const cudaTextureObject_t texture =
      texture_of(data, data.bytes(), {32, 32, 32, 32, cudaChannelFormatKindFloat});
  LAUNCH(read_four, {dim3(1), dim3(1)}, texture, 1, to);
  const std::vector<float> seen = to.read();
  std::printf("vectors of four: %.0f %.0f %.0f %.0f\n", seen[0], seen[1], seen[2], seen[3]);
  CHECK(cudaDestroyTextureObject(texture));
}

static void check_array() {
  cudaArray_t array;
  cudaTextureObject_t object;
  const cudaChannelFormatDesc format = {32, 0, 0, 0, cudaChannelFormatKindFloat};
  const float values[] = {1, 2, 3, 4, 5};
  cudaResourceDesc resource = {};
  cudaTextureDesc texture = {};
  const Device<float> to(1);
  CHECK(cudaMallocArray(&array, &format, 5, 0, 0));
  CHECK(cudaMemcpy2DToArray(array, 0, 0, values, sizeof values, sizeof values, 1, cudaMemcpyHostToDevice));
  resource.resType = cudaResourceTypeArray;
  resource.res.array.array = array;
  texture.addressMode[0] = cudaAddressModeClamp;
  texture.filterMode = cudaFilterModeLinear;
  CHECK(cudaCreateTextureObject(&object, &resource, &texture, nullptr));
  LAUNCH(between, {dim3(1), dim3(1)}, object, 2.75f, to);
  std::printf("array, between 3 and 4: %.2f\n", to.read()[0]);
  CHECK(cudaDestroyTextureObject(object));
  CHECK(cudaFreeArray(array));
}

int main() {
  check_linear();
  check_vectors();
  check_array();
  return done();
}
