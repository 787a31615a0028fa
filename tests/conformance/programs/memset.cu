// SPDX-License-Identifier: BSD-3-Clause
// Memory filled with a byte: in a line, in part, in a rectangle, in a box, and in the order of a stream.
//
// expected:
// line: 0 wrong, its middle: 0 wrong
// rectangle: 0 wrong
// box: 0 wrong
// in order with copies: 3
// ok
#include "conformance.h"

using Bytes = std::vector<unsigned char>;

static void check_line() {
  const Device<unsigned char> data(1000);
  CHECK(cudaMemset(data, 0xab, 1000));
  int wrong = 0, wrong_middle = 0;
  for (const unsigned char byte : data.read()) wrong += byte != 0xab;
  CHECK(cudaMemset(data + 333, 0x11, 5));
  const Bytes seen = data.read();
  for (int i = 0; i < 1000; ++i) wrong_middle += seen[i] != (i >= 333 && i < 338 ? 0x11 : 0xab);
  std::printf("line: %d wrong, its middle: %d wrong\n", wrong, wrong_middle);
}

static void check_rectangle() {
  const Device data(Bytes(64 * 10, 1));
  CHECK(cudaMemset2D(data + 3, 64, 9, 20, 7));
  const Bytes seen = data.read();
  int wrong = 0;
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 64; ++x) wrong += seen[y * 64 + x] != (x >= 3 && x < 23 && y < 7 ? 9 : 1);
  std::printf("rectangle: %d wrong\n", wrong);
}

static void check_box() {
  const Device data(Bytes(16 * 8 * 4, 2));
  const cudaPitchedPtr box = {static_cast<unsigned char*>(data), 16, 16, 8};
  CHECK(cudaMemset3D(box, 5, {10, 6, 3}));
  const Bytes seen = data.read();
  int wrong = 0;
  for (int i = 0; i < 16 * 8 * 4; ++i) {
    const int x = i % 16, y = i / 16 % 8, z = i / 128;
    wrong += seen[i] != (x < 10 && y < 6 && z < 3 ? 5 : 2);
  }
  std::printf("box: %d wrong\n", wrong);
}

int main() {
  check_line();
  check_rectangle();
  check_box();
  cudaStream_t stream;
  const Device<unsigned char> data(4), copy(4);
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaMemsetAsync(data, 3, 4, stream));
  CHECK(cudaMemcpyAsync(copy, data, 4, cudaMemcpyDeviceToDevice, stream));
  CHECK(cudaMemsetAsync(data, 4, 4, stream));
  CHECK(cudaStreamSynchronize(stream));
  std::printf("in order with copies: %d\n", copy.read()[3]);
  CHECK(cudaStreamDestroy(stream));
  return done();
}
