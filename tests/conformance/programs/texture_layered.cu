// SPDX-License-Identifier: BSD-3-Clause
// A texture of layers and one of three dimensions: each layer filtered for itself, the volume between its
// slices.
//
// expected:
// layers of the array: 3
// layer 0: 1.5, layer 1: 101.5, layer 2: 201.5
// in the volume, between two slices: 55.5
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" {
__global__ void in_layer(cudaTextureObject_t texture, float x, float y, int layer, float* to) {
  *to = tex2DLayered<float>(texture, x, y, layer);
}

__global__ void in_volume(cudaTextureObject_t texture, float x, float y, float z, float* to) {
  *to = tex3D<float>(texture, x, y, z);
}
}
#endif  // __CUDACC__
KERNEL(in_layer, cudaTextureObject_t, float, float, int, float*);
KERNEL(in_volume, cudaTextureObject_t, float, float, float, float*);

// 4 x 2 x 3 texels, the one at (x, y, z) is 100 z + 10 y + x.
static cudaArray_t stack(unsigned flags) {
  cudaArray_t array;
  const cudaChannelFormatDesc format = {32, 0, 0, 0, cudaChannelFormatKindFloat};
  const cudaExtent extent = {4, 2, 3};
  float texels[3][2][4];
  for (int z = 0; z < 3; ++z)
    for (int y = 0; y < 2; ++y)
      for (int x = 0; x < 4; ++x) texels[z][y][x] = static_cast<float>(100 * z + 10 * y + x);
  CHECK(cudaMalloc3DArray(&array, &format, extent, flags));
  cudaMemcpy3DParms copy = {};
  copy.srcPtr = {texels, 4 * sizeof(float), 4, 2};
  copy.dstArray = array;
  copy.extent = extent;
  copy.kind = cudaMemcpyHostToDevice;
  CHECK(cudaMemcpy3D(&copy));
  return array;
}

static cudaTextureObject_t filtered(cudaArray_t array) {
  cudaTextureObject_t object;
  cudaResourceDesc resource = {};
  cudaTextureDesc texture = {};
  resource.resType = cudaResourceTypeArray;
  resource.res.array.array = array;
  for (cudaTextureAddressMode& mode : texture.addressMode) mode = cudaAddressModeClamp;
  texture.filterMode = cudaFilterModeLinear;
  CHECK(cudaCreateTextureObject(&object, &resource, &texture, nullptr));
  return object;
}

int main() {
  const cudaArray_t layers = stack(cudaArrayLayered), volume = stack(0);
  cudaChannelFormatDesc format;
  cudaExtent extent;
  unsigned flags;
  CHECK(cudaArrayGetInfo(&format, &extent, &flags, layers));
  REQUIRE(flags == cudaArrayLayered && format.x == 32 && extent.width == 4);
  std::printf("layers of the array: %zu\n", extent.depth);
  const cudaTextureObject_t of_layers = filtered(layers), of_volume = filtered(volume);
  const Device<float> to(4);
  for (int layer = 0; layer < 3; ++layer)
    LAUNCH(in_layer, {dim3(1), dim3(1)}, of_layers, 2.0f, 0.5f, layer, static_cast<float*>(to) + layer);
  LAUNCH(in_volume, {dim3(1), dim3(1)}, of_volume, 1.0f, 1.0f, 1.0f, static_cast<float*>(to) + 3);
  const std::vector<float> seen = to.read();
  std::printf("layer 0: %.1f, layer 1: %.1f, layer 2: %.1f\n", seen[0], seen[1], seen[2]);
  std::printf("in the volume, between two slices: %.1f\n", seen[3]);
  CHECK(cudaDestroyTextureObject(of_layers));
  CHECK(cudaDestroyTextureObject(of_volume));
  CHECK(cudaFreeArray(layers));
  CHECK(cudaFreeArray(volume));
  return done();
}
