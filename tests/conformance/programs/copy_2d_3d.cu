// SPDX-License-Identifier: BSD-3-Clause
// Copies of rectangles and boxes between memories whose rows are longer than what is copied.
//
// expected:
// pitch holds a row: 1
// rectangle there and back: 0 wrong, outside it untouched: 1
// device to device: 0 wrong
// box: 0 wrong
// ok
#include "conformance.h"

static const size_t width = 37, height = 11, depth = 5;

static std::vector<unsigned char> numbered(size_t length) {
  std::vector<unsigned char> values(length);
  for (size_t i = 0; i < length; ++i) values[i] = static_cast<unsigned char>(i * 31 + i / 256);
  return values;
}

static void check_rectangle() {
  unsigned char *device, *other;
  size_t pitch, other_pitch;
  CHECK(cudaMallocPitch(&device, &pitch, width, height));
  CHECK(cudaMallocPitch(&other, &other_pitch, 2 * width, height));
  std::printf("pitch holds a row: %d\n", pitch >= width && other_pitch >= 2 * width);
  const std::vector<unsigned char> from = numbered(100 * height);
  std::vector<unsigned char> to(50 * height, 77), second(width * height);
  CHECK(cudaMemcpy2D(device, pitch, from.data() + 3, 100, width, height, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy2DAsync(to.data() + 2, 50, device, pitch, width, height, cudaMemcpyDeviceToHost, nullptr));
  CHECK(cudaMemcpy2D(other + width, other_pitch, device, pitch, width, height, cudaMemcpyDeviceToDevice));
  CHECK(cudaMemcpy2D(second.data(), width, other + width, other_pitch, width, height, cudaMemcpyDefault));
  int wrong = 0, wrong_second = 0;
  for (size_t y = 0; y < height; ++y)
    for (size_t x = 0; x < width; ++x) {
      wrong += to[y * 50 + 2 + x] != from[y * 100 + 3 + x];
      wrong_second += second[y * width + x] != from[y * 100 + 3 + x];
    }
  const bool untouched = to[1] == 77 && to[2 + width] == 77 && to[50 * height - 1] == 77;
  std::printf("rectangle there and back: %d wrong, outside it untouched: %d\n", wrong, untouched);
  std::printf("device to device: %d wrong\n", wrong_second);
  CHECK(cudaFree(device));
  CHECK(cudaFree(other));
}

static void check_box() {
  cudaPitchedPtr box;
  const cudaExtent extent = {width, height, depth};
  CHECK(cudaMalloc3D(&box, extent));
  std::vector<unsigned char> from = numbered(width * height * depth), to(from.size());
  cudaMemcpy3DParms in = {}, out = {};
  in.srcPtr = {from.data(), width, width, height};
  in.dstPtr = box;
  in.extent = extent;
  in.kind = cudaMemcpyHostToDevice;
  CHECK(cudaMemcpy3D(&in));
  out.srcPtr = box;
  out.srcPos = {5, 2, 1};
  out.dstPtr = {to.data(), width, width, height};
  out.extent = {width - 5, height - 2, depth - 1};
  out.kind = cudaMemcpyDeviceToHost;
  CHECK(cudaMemcpy3DAsync(&out, nullptr));
  CHECK(cudaStreamSynchronize(nullptr));
  int wrong = 0;
  for (size_t z = 1; z < depth; ++z)
    for (size_t y = 2; y < height; ++y)
      for (size_t x = 5; x < width; ++x)
        wrong += to[((z - 1) * height + y - 2) * width + x - 5] != from[(z * height + y) * width + x];
  std::printf("box: %d wrong\n", wrong);
  CHECK(cudaFree(box.ptr));
}

int main() {
  check_rectangle();
  check_box();
  return done();
}
