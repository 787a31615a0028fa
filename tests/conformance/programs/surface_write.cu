// SPDX-License-Identifier: BSD-3-Clause
// Surfaces: a kernel writes an array through one, another reads it through a surface and a texture, the host
// copies it.
//
// expected:
// the host reads 0 wrong
// the surface reads 0 wrong
// the texture reads 37.5 between four
// written beyond the edge, with zeros instead of a fault: 0
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__global__ void fill(cudaSurfaceObject_t surface) {
  surf2Dwrite<float>(10.0f * threadIdx.y + threadIdx.x, surface, threadIdx.x * sizeof(float), threadIdx.y);
}

__global__ void read_back(cudaSurfaceObject_t surface, float* to) {
  float value;
  surf2Dread(&value, surface, threadIdx.x * sizeof(float), threadIdx.y);
  to[threadIdx.y * blockDim.x + threadIdx.x] = value;
}

__global__ void beyond(cudaSurfaceObject_t surface, float* to) {
  surf2Dwrite<float>(1.0f, surface, 8 * sizeof(float), 0, cudaBoundaryModeZero);
  *to = surf2Dread<float>(surface, 8 * sizeof(float), 0, cudaBoundaryModeZero);
}

__global__ void filtered(cudaTextureObject_t texture, float x, float y, float* to) {
  *to = tex2D<float>(texture, x, y);
}
}
#endif  // __CUDACC__
KERNEL(fill, cudaSurfaceObject_t);
KERNEL(read_back, cudaSurfaceObject_t, float*);
KERNEL(beyond, cudaSurfaceObject_t, float*);
KERNEL(filtered, cudaTextureObject_t, float, float, float*);

static int count_wrong(const std::vector<float>& seen) {
  int wrong = 0;
  for (int i = 0; i < 64; ++i) wrong += seen[i] != static_cast<float>(i / 8 * 10 + i % 8);
  return wrong;
}

int main() {
  cudaArray_t array;
  cudaSurfaceObject_t surface;
  cudaTextureObject_t texture;
  const cudaChannelFormatDesc format = {32, 0, 0, 0, cudaChannelFormatKindFloat};
  CHECK(cudaMallocArray(&array, &format, 8, 8, cudaArraySurfaceLoadStore));
  cudaResourceDesc resource = {};
  resource.resType = cudaResourceTypeArray;
  resource.res.array.array = array;
  CHECK(cudaCreateSurfaceObject(&surface, &resource));
  LAUNCH(fill, {dim3(1), dim3(8, 8)}, surface);
  std::vector<float> host(64);
  CHECK(cudaMemcpy2DFromArray(host.data(), 32, array, 0, 0, 32, 8, cudaMemcpyDeviceToHost));
  std::printf("the host reads %d wrong\n", count_wrong(host));
  const Device<float> to(64);
  LAUNCH(read_back, {dim3(1), dim3(8, 8)}, surface, to);
  std::printf("the surface reads %d wrong\n", count_wrong(to.read()));
  cudaTextureDesc how = {};
  how.filterMode = cudaFilterModeLinear;
  how.addressMode[0] = how.addressMode[1] = cudaAddressModeClamp;
  CHECK(cudaCreateTextureObject(&texture, &resource, &how, nullptr));
  LAUNCH(filtered, {dim3(1), dim3(1)}, texture, 5.5f, 3.5f, to);
  REQUIRE(to.read()[0] == 35.0f);
  LAUNCH(filtered, {dim3(1), dim3(1)}, texture, 3.0f, 4.0f, to);
  std::printf("the texture reads %.1f between four\n", to.read()[0]);
  LAUNCH(beyond, {dim3(1), dim3(1)}, surface, to);
  std::printf("written beyond the edge, with zeros instead of a fault: %.0f\n", to.read()[0]);
  CHECK(cudaDestroyTextureObject(texture));
  CHECK(cudaDestroySurfaceObject(surface));
  CHECK(cudaFreeArray(array));
  return done();
}
