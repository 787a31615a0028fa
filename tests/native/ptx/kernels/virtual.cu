// SPDX-License-Identifier: BSD-3-Clause
// Virtual functions through a vtable in device memory, and a table of function pointers.
struct Shape {
  __device__ virtual double area() const = 0;
  __device__ virtual int corners() const { return 0; }
};
struct Rectangle : Shape {
  double a, b;
  __device__ Rectangle(double a, double b) : a(a), b(b) {}
  __device__ double area() const override { return a * b; }
  __device__ int corners() const override { return 4; }
};
struct Circle : Shape {
  double r;
  __device__ explicit Circle(double r) : r(r) {}
  __device__ double area() const override { return 3.0 * r * r; }
};

__device__ __noinline__ double total(const Shape* const* shapes, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += shapes[i]->area() * 10 + shapes[i]->corners();
  return sum;
}

extern "C" __global__ void areas(double* out) {
  int t = threadIdx.x;
  Rectangle r(t, 2);
  Circle c(t);
  const Shape* shapes[3] = {&r, &c, t % 2 ? static_cast<const Shape*>(&r) : &c};
  out[t] = total(shapes, 3);
}

using Function = int (*)(int);
__device__ __noinline__ int square(int x) { return x * x; }
__device__ __noinline__ int negate(int x) { return -x; }
__device__ __noinline__ int half(int x) { return x / 2; }
__device__ Function table[3] = {square, negate, half};

extern "C" __global__ void dispatch(int* out, const int* which) {
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  out[t] = table[which[t]](t);
}
