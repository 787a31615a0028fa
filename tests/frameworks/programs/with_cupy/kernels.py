# SPDX-License-Identifier: BSD-3-Clause
"""Kernels of one's own: RawKernel, RawModule, ElementwiseKernel, ReductionKernel, fuse and jit."""

from __future__ import annotations

import warnings

import cupy
import numpy as np
import pytest
from cupyx import jit

COUNT = 10_000

SAXPY = cupy.RawKernel(
    r"""
    extern "C" __global__ void saxpy(float a, const float *x, float *y, int n) {
      int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i < n) y[i] += a * x[i];
    }
    """,
    "saxpy",
)

MODULE = cupy.RawModule(
    code=r"""
    __constant__ float weights[3];
    template <int Block> __global__ void block_sums(const float *in, float *out) {
      __shared__ float part[Block];
      int t = threadIdx.x;
      part[t] = in[blockIdx.x * Block + t] * weights[t % 3];
      for (int half = Block / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) part[t] += part[t + half];
      }
      if (t == 0) out[blockIdx.x] = part[0];
    }
    """,
    options=("-std=c++17",),
    name_expressions=["block_sums<128>"],
)


def blocks_of(count: int, block: int = 256) -> tuple[int]:
    return ((count + block - 1) // block,)


def raw_kernels() -> None:
    x, y = cupy.arange(COUNT, dtype=cupy.float32), cupy.ones(COUNT, dtype=cupy.float32)
    SAXPY(blocks_of(COUNT), (256,), (cupy.float32(2), x, y, cupy.int32(COUNT)))
    assert cupy.array_equal(y, 2 * x + 1)
    assert SAXPY.max_threads_per_block >= 256


def raw_modules() -> None:
    weights = np.array([1, 2, 3], dtype=np.float32)
    place = cupy.ndarray((3,), cupy.float32, MODULE.get_global("weights"))
    place.set(weights)
    numbers = cupy.arange(1280, dtype=cupy.float32)
    sums = cupy.empty(10, dtype=cupy.float32)
    MODULE.get_function("block_sums<128>")((10,), (128,), (numbers, sums))
    expected = (np.arange(1280, dtype=np.float32).reshape(10, 128) * weights[np.arange(128) % 3]).sum(1)
    np.testing.assert_allclose(sums.get(), expected, rtol=1e-5)


def elementwise_and_reductions() -> None:
    square_difference = cupy.ElementwiseKernel(
        "T x, T y", "T z", "z = (x - y) * (x - y)", "square_difference"
    )
    length = cupy.ReductionKernel("T x", "T y", "x * x", "a + b", "y = sqrt(a)", "0", "length")
    x = cupy.arange(100, dtype=cupy.float64)
    assert cupy.array_equal(square_difference(x, x - 3), cupy.full(100, 9.0))
    assert abs(float(length(x)) - float(np.linalg.norm(np.arange(100)))) < 1e-9


@cupy.fuse()
def fused(x: cupy.ndarray, y: cupy.ndarray) -> cupy.ndarray:
    return cupy.sqrt(x * x + y * y) + 1


@cupy.fuse()
def fused_sum(x: cupy.ndarray) -> cupy.ndarray:
    return cupy.sum(x * 2 + 1, axis=0)


def fusion() -> None:
    x = cupy.arange(600, dtype=cupy.float32).reshape(20, 30)
    np.testing.assert_allclose(fused(x, 2 * x).get(), np.sqrt(5) * x.get() + 1, rtol=1e-5)
    np.testing.assert_allclose(fused_sum(x).get(), (x.get() * 2 + 1).sum(0), rtol=1e-5)


def just_in_time() -> None:
    warnings.simplefilter("ignore", FutureWarning)  # cupyx.jit calls itself experimental

    @jit.rawkernel()
    def reverse(x, y, n):
        i = jit.blockIdx.x * jit.blockDim.x + jit.threadIdx.x
        if i < n:
            y[n - 1 - i] = x[i]

    x, y = cupy.arange(1000), cupy.empty(1000, dtype=int)
    reverse(blocks_of(1000), (256,), (x, y, cupy.uint32(1000)))
    assert cupy.array_equal(y, x[::-1])


def errors() -> None:
    broken = cupy.RawKernel('extern "C" __global__ void broken() { undeclared(); }', "broken")
    with pytest.raises(cupy.cuda.compiler.CompileException, match="undeclared"):
        broken.compile()


raw_kernels()
raw_modules()
elementwise_and_reductions()
fusion()
just_in_time()
errors()
print("ok")
