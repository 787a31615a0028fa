// SPDX-License-Identifier: BSD-3-Clause
// Single precision functions and the fast intrinsics.
#define ROW(expression) out[row++ * n + i] = expression;
extern "C" __global__ void functions(float* out, const float* xs, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, row = 0;
  if (i >= n) return;
  float x = xs[i], p = fabsf(x) + 0.01f;
  ROW(sinf(x)) ROW(cosf(x)) ROW(tanf(x)) ROW(expf(x)) ROW(logf(p)) ROW(log2f(p)) ROW(log10f(p)) ROW(log1pf(p))
  ROW(expm1f(x)) ROW(powf(p, x / 2)) ROW(sqrtf(p)) ROW(cbrtf(x)) ROW(asinf(x / 20)) ROW(acosf(x / 20)) ROW(atanf(x))
  ROW(atan2f(x, p)) ROW(sinhf(x)) ROW(coshf(x)) ROW(tanhf(x)) ROW(erff(x)) ROW(erfcf(x)) ROW(tgammaf(p / 2))
  ROW(lgammaf(p)) ROW(hypotf(x, p)) ROW(fmodf(x, p / 3)) ROW(floorf(x)) ROW(rintf(x)) ROW(truncf(x)) ROW(roundf(x))
  ROW(exp2f(x)) ROW(exp10f(x / 4)) ROW(rsqrtf(p)) ROW(x / p) ROW(fdividef(x, p))
}

extern "C" __global__ void intrinsics(float* out, const float* xs, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, row = 0;
  if (i >= n) return;
  float x = xs[i], p = fabsf(x) + 0.01f;
  ROW(__sinf(x / 8)) ROW(__cosf(x / 8)) ROW(__expf(x)) ROW(__logf(p)) ROW(__log2f(p)) ROW(__powf(p, x / 8))
  ROW(__fdividef(x, p)) ROW(__frsqrt_rn(p)) ROW(__saturatef(x)) ROW(__fsqrt_rn(p)) ROW(__frcp_rn(p))
}
