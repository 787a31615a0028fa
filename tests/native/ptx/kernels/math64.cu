// SPDX-License-Identifier: BSD-3-Clause
// Double functions of the CUDA mathematical library, one row of results a function.
#define ROW(expression) out[row++ * n + i] = expression;
extern "C" __global__ void functions(double* out, const double* xs, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, row = 0;
  if (i >= n) return;
  double x = xs[i], p = fabs(x) + 0.01;
  ROW(sin(x)) ROW(cos(x)) ROW(tan(x)) ROW(exp(x)) ROW(log(p)) ROW(log2(p)) ROW(log10(p)) ROW(log1p(p)) ROW(expm1(x))
  ROW(pow(p, x)) ROW(sqrt(p)) ROW(cbrt(x)) ROW(asin(x / 20)) ROW(acos(x / 20)) ROW(atan(x)) ROW(atan2(x, p))
  ROW(sinh(x)) ROW(cosh(x)) ROW(tanh(x)) ROW(asinh(x)) ROW(acosh(p + 1)) ROW(atanh(x / 20)) ROW(erf(x)) ROW(erfc(x))
  ROW(tgamma(p)) ROW(lgamma(p)) ROW(hypot(x, p)) ROW(fmod(x, p / 3)) ROW(floor(x)) ROW(ceil(x)) ROW(rint(x))
  ROW(trunc(x)) ROW(round(x)) ROW(exp2(x)) ROW(exp10(x / 4)) ROW(rsqrt(p)) ROW(j0(p)) ROW(normcdf(x / 4))
}

extern "C" __global__ void large_angles(double* out, const double* xs, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double s, c;
  sincos(xs[i], &s, &c);
  out[i] = s;
  out[n + i] = c;
}
