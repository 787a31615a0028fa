# SPDX-License-Identifier: BSD-3-Clause
"""CuPy: arrays, reductions, kernels from source, fused functions, streams, pinned memory, libraries."""

from __future__ import annotations

import sys

import cupy
import cupyx
import numpy as np

SOURCE = """
extern "C" __global__ void triple(float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= 3;
}
"""


def main() -> None:
    x = cupy.arange(10000, dtype=cupy.float32)
    print(f"value sum {float((cupy.sin(x) * 2).sum()):.4f}")
    print(f"value sorted {float(cupy.sort(x[::-1] % 97)[5000]):.1f}")
    cupy.RawKernel(SOURCE, "triple")((40,), (256,), (x, np.int32(x.size)))
    print(f"value raw-kernel {float(x[-1]):.1f}")
    fused = cupy.fuse(lambda a, b: a * b + cupy.sqrt(a))
    print(f"value fused {float(fused(x, x).max()):.1f}")
    stream = cupy.cuda.Stream(non_blocking=True)
    pinned = cupyx.empty_pinned((1000,), dtype=np.float32)
    pinned[:] = 2
    with stream:
        copied = cupy.empty(1000, dtype=cupy.float32)
        copied.set(pinned)
        total = copied.sum()
    stream.synchronize()
    print(f"value pinned {float(total):.1f}")
    a = cupy.cos(cupy.arange(256 * 256, dtype=cupy.float64)).reshape(256, 256)
    print(f"value cublas {float(cupy.linalg.norm(a @ a)):.8g}")
    print(f"value cufft {float(cupy.abs(cupy.fft.fft(a)).sum()):.8g}")
    print(f"value pool {cupy.get_default_memory_pool().used_bytes() > 0:d}")


if __name__ == "__main__" and "--import" not in sys.argv:
    main()
