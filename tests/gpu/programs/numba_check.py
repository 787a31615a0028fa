# SPDX-License-Identifier: BSD-3-Clause
"""numba-cuda: a kernel, shared memory, atomics, streams, and what the device says."""

from __future__ import annotations

import sys

import numpy as np
from numba import cuda, float32


@cuda.jit
def scale(data, factor):
    i = cuda.grid(1)
    if i < data.size:
        data[i] *= factor


@cuda.jit
def block_sums(data, sums):
    shared = cuda.shared.array(128, float32)
    i = cuda.grid(1)
    shared[cuda.threadIdx.x] = data[i] if i < data.size else 0
    cuda.syncthreads()
    half = 64
    while half:
        if cuda.threadIdx.x < half:
            shared[cuda.threadIdx.x] += shared[cuda.threadIdx.x + half]
        cuda.syncthreads()
        half //= 2
    if cuda.threadIdx.x == 0:
        cuda.atomic.add(sums, 0, shared[0])


def main() -> None:
    stream = cuda.stream()
    data = cuda.to_device(np.arange(1000, dtype=np.float32), stream)
    sums = cuda.to_device(np.zeros(1, dtype=np.float32), stream)
    scale[8, 128, stream](data, 3)
    block_sums[8, 128, stream](data, sums)
    print(f"value sum {sums.copy_to_host(stream=stream)[0]:.1f}")
    print(f"value last {data.copy_to_host(stream=stream)[-1]:.1f}")
    stream.synchronize()


if __name__ == "__main__" and "--import" not in sys.argv:
    main()
