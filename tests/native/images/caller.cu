// SPDX-License-Identifier: BSD-3-Clause
// One of two parts of a program (nvcc -rdc=true); the function that it calls is in the other.
extern __device__ int triple_and_one(int);
extern "C" __global__ void caller(int* out) { out[threadIdx.x] = triple_and_one(threadIdx.x); }
