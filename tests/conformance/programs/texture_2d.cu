// SPDX-License-Identifier: BSD-3-Clause
// A two-dimensional texture of a CUDA array: read between the texels with a linear filter, at its edges in
// each address mode, with normalised coordinates, and as numbers of 8 bits read as fractions.
//
// expected:
// texel (2,1): 12.0
// between (1,1) and (2,1): 11.5
// between four: 6.5
// beyond the edge: clamp 3.0, border 0.0
// normalised: wrap 11.0, mirror 12.0
// 8 bits as a fraction: 1.000
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void fetch(cudaTextureObject_t texture, float x, float y, float* to) {
  *to = tex2D<float>(texture, x, y);
}
#endif  // __CUDACC__
KERNEL(fetch, cudaTextureObject_t, float, float, float*);

// 4 x 3 texels, the one at (x, y) is 10 y + x.
static cudaArray_t grid() {
  cudaArray_t array;
  const cudaChannelFormatDesc format = {32, 0, 0, 0, cudaChannelFormatKindFloat};
  float texels[3][4];
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 4; ++x) texels[y][x] = static_cast<float>(10 * y + x);
  CHECK(cudaMallocArray(&array, &format, 4, 3, 0));
  CHECK(cudaMemcpy2DToArray(array, 0, 0, texels, 4 * sizeof(float), 4 * sizeof(float), 3,
                            cudaMemcpyHostToDevice));
  return array;
}

static cudaTextureDesc reading(cudaTextureFilterMode filter, cudaTextureAddressMode address,
                               bool normalised) {
  cudaTextureDesc texture = {};
  texture.addressMode[0] = texture.addressMode[1] = address;
  texture.filterMode = filter;
  texture.normalizedCoords = normalised;
  return texture;
}

static float at(cudaArray_t array, const cudaTextureDesc& how, float x, float y) {
  const Device<float> result(1);
  cudaTextureObject_t object;
  cudaResourceDesc resource = {};
  resource.resType = cudaResourceTypeArray;
  resource.res.array.array = array;
  CHECK(cudaCreateTextureObject(&object, &resource, &how, nullptr));
  cudaTextureDesc seen;
  CHECK(cudaGetTextureObjectTextureDesc(&seen, object));
  REQUIRE(seen.filterMode == how.filterMode && seen.addressMode[1] == how.addressMode[1]);
  LAUNCH(fetch, {dim3(1), dim3(1)}, object, x, y, result);
  const float value = result.read()[0];
  CHECK(cudaDestroyTextureObject(object));
  return value;
}

static float fraction() {
  cudaArray_t array;
  const cudaChannelFormatDesc format = {8, 0, 0, 0, cudaChannelFormatKindUnsigned};
  const unsigned char texels[] = {0, 255};
  CHECK(cudaMallocArray(&array, &format, 2, 1, 0));
  CHECK(cudaMemcpy2DToArray(array, 0, 0, texels, 2, 2, 1, cudaMemcpyHostToDevice));
  cudaTextureDesc how = reading(cudaFilterModePoint, cudaAddressModeClamp, false);
  how.readMode = cudaReadModeNormalizedFloat;
  const float value = at(array, how, 1.5f, 0.5f);
  CHECK(cudaFreeArray(array));
  return value;
}

int main() {
  const cudaArray_t array = grid();
  const cudaTextureDesc point = reading(cudaFilterModePoint, cudaAddressModeClamp, false);
  const cudaTextureDesc linear = reading(cudaFilterModeLinear, cudaAddressModeClamp, false);
  const cudaTextureDesc border = reading(cudaFilterModePoint, cudaAddressModeBorder, false);
  const cudaTextureDesc wrap = reading(cudaFilterModePoint, cudaAddressModeWrap, true);
  const cudaTextureDesc mirror = reading(cudaFilterModePoint, cudaAddressModeMirror, true);
  std::printf("texel (2,1): %.1f\n", at(array, point, 2.5f, 1.5f));
  std::printf("between (1,1) and (2,1): %.1f\n", at(array, linear, 2.0f, 1.5f));
  std::printf("between four: %.1f\n", at(array, linear, 2.0f, 1.0f));
  std::printf("beyond the edge: clamp %.1f, border %.1f\n", at(array, point, 9.0f, -3.0f),
              at(array, border, 9.0f, 1.0f));
  std::printf("normalised: wrap %.1f, mirror %.1f\n", at(array, wrap, 1.3f, 0.5f),
              at(array, mirror, 1.3f, 0.5f));
  CHECK(cudaFreeArray(array));
  std::printf("8 bits as a fraction: %.3f\n", fraction());
  return done();
}
