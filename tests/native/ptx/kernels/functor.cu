// SPDX-License-Identifier: BSD-3-Clause
// Templates and functors, as thrust-like code compiles them.
struct Axpy {
  double a;
  __device__ double operator()(double x, double y) const { return fma(a, x, y); }
};
struct Clamp {
  double low, high;
  __device__ double operator()(double x, double) const { return fmin(fmax(x, low), high); }
};

template <class F>
__global__ void transform(double* out, const double* x, const double* y, int n, F f) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) out[i] = f(x[i], y[i]);
}

template <class F, class G>
struct Compose {
  F f;
  G g;
  __device__ double operator()(double x, double y) const { return g(f(x, y), y); }
};

template __global__ void transform<Axpy>(double*, const double*, const double*, int, Axpy);
template __global__ void transform<Compose<Axpy, Clamp>>(double*, const double*, const double*, int,
                                                         Compose<Axpy, Clamp>);
