// SPDX-License-Identifier: BSD-3-Clause
// Matrix products of one warp, as nvcc makes them of nvcuda::wmma.
#include <cuda_bf16.h>
#include <mma.h>
using namespace nvcuda;

template <int M, int N, int K, class In, class Stored, class Out, class LayoutA, class LayoutB>
__device__ void product(Out* c, const Stored* a, int lda, const Stored* b, int ldb) {
  wmma::fragment<wmma::matrix_a, M, N, K, In, LayoutA> fa;
  wmma::fragment<wmma::matrix_b, M, N, K, In, LayoutB> fb;
  wmma::fragment<wmma::accumulator, M, N, K, Out> fc;
  wmma::load_matrix_sync(fc, c, N, wmma::mem_row_major);
  wmma::load_matrix_sync(fa, a, lda);
  wmma::load_matrix_sync(fb, b, ldb);
  for (int i = 0; i < fc.num_elements; ++i) fc.x[i] = fc.x[i] + fc.x[i];
  wmma::mma_sync(fc, fa, fb, fc);
  wmma::store_matrix_sync(c, fc, N, wmma::mem_row_major);
}
using Row = wmma::row_major;
using Col = wmma::col_major;

extern "C" __global__ void half_float(float* c, const half* a, const half* b) {
  product<16, 16, 16, half, half, float, Row, Col>(c, a, 16, b, 16);
}
extern "C" __global__ void half_half(half* c, const half* a, const half* b) {
  product<32, 8, 16, half, half, half, Col, Row>(c, a, 32, b, 8);
}
extern "C" __global__ void bfloat(float* c, const __nv_bfloat16* a, const __nv_bfloat16* b) {
  product<8, 32, 16, __nv_bfloat16, __nv_bfloat16, float, Row, Row>(c, a, 16, b, 32);
}
extern "C" __global__ void tf32(float* c, const float* a, const float* b) {
  product<16, 16, 8, wmma::precision::tf32, float, float, Row, Row>(c, a, 8, b, 16);
}
extern "C" __global__ void bytes(int* c, const signed char* a, const signed char* b) {
  product<16, 16, 16, signed char, signed char, int, Row, Row>(c, a, 16, b, 16);
}
extern "C" __global__ void doubles(double* c, const double* a, const double* b) {
  product<8, 8, 4, double, double, double, Row, Col>(c, a, 4, b, 4);
}

// A product of 64 by 64 halves in tiles that go through shared memory.
extern "C" __global__ void tiled(float* c, const half* a, const half* b, int n) {
  __shared__ half ta[16][24], tb[16][24];
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
  wmma::fill_fragment(sum, 0.0f);
  for (int k = 0; k < n; k += 16) {
    for (int i = threadIdx.x; i < 256; i += 32) {
      ta[i / 16][i % 16] = a[(blockIdx.y * 16 + i / 16) * n + k + i % 16];
      tb[i / 16][i % 16] = b[(k + i / 16) * n + blockIdx.x * 16 + i % 16];
    }
    __syncwarp();
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, Row> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, Row> fb;
    wmma::load_matrix_sync(fa, &ta[0][0], 24);
    wmma::load_matrix_sync(fb, &tb[0][0], 24);
    wmma::mma_sync(sum, fa, fb, sum);
    __syncwarp();
  }
  wmma::store_matrix_sync(c + (blockIdx.y * n + blockIdx.x) * 16, sum, n, wmma::mem_row_major);
}
