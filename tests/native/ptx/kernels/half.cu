// SPDX-License-Identifier: BSD-3-Clause
// Half and bfloat16 arithmetic as the CUDA headers compile it.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void halves(__half* out, const __half* a, const __half* b, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[i] = __hadd(a[i], b[i]);
  out[n + i] = __hmul(a[i], b[i]);
  out[2 * n + i] = __hfma(a[i], b[i], a[i]);
  out[3 * n + i] = __hdiv(a[i], b[i]);
  out[4 * n + i] = __float2half(sqrtf(fabsf(__half2float(a[i]))));
  out[5 * n + i] = a[i] < b[i] ? a[i] : b[i];
  out[6 * n + i] = hexp2(a[i]);
  out[7 * n + i] = __int2half_rn(__half2int_rn(a[i]));
}

extern "C" __global__ void half_pairs(__half2* out, const __half2* a, const __half2* b, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __hfma2(a[i], b[i], __hsub2(a[i], __halves2half2(__high2half(b[i]), __low2half(b[i]))));
}

extern "C" __global__ void bfloats(__nv_bfloat16* out, const __nv_bfloat16* a, const __nv_bfloat16* b, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[i] = __hadd(a[i], b[i]);
  out[n + i] = __hmul(a[i], b[i]);
  out[2 * n + i] = __float2bfloat16(__bfloat162float(a[i]) / 3);
}
