// SPDX-License-Identifier: BSD-3-Clause
// Iterations until escape, in double so that every machine agrees on the count.
extern "C" __global__ void mandelbrot(int* out, int width, int height, int limit) {
  int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y;
  if (px >= width || py >= height) return;
  double cx = __dadd_rn(-2.0, __dmul_rn(3.0, double(px) / width));
  double cy = __dadd_rn(-1.5, __dmul_rn(3.0, double(py) / height));
  double x = 0, y = 0;
  int i = 0;
  while (i < limit && __dadd_rn(__dmul_rn(x, x), __dmul_rn(y, y)) <= 4.0) {
    double next = __dadd_rn(__dsub_rn(__dmul_rn(x, x), __dmul_rn(y, y)), cx);
    y = __dadd_rn(__dmul_rn(__dmul_rn(2.0, x), y), cy);
    x = next;
    ++i;
  }
  out[py * width + px] = i;
}
