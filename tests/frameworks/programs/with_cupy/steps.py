# SPDX-License-Identifier: BSD-3-Clause
"""Steps of CuPy programs: the test counts the calls of theirs that wait.

Arguments: the kind, and how many steps.
"""

import sys

import cupy
import numpy as np


def arrays(steps):
    """One synchronisation each: the result is looked at."""
    for step in range(steps):
        there = cupy.asarray(np.full(1000, step, np.float32))
        result = cupy.asnumpy(there * 2 + 1)
        assert result[0] == 2 * step + 1


def scalars(steps):
    """One synchronisation each: a number."""
    there = cupy.zeros(1000, cupy.float32)
    for step in range(steps):
        there += 1
        there *= 1
        assert float(there[0]) == step + 1


def pools(steps):
    """One synchronisation each: memory in the order of the stream."""
    cupy.cuda.set_allocator(cupy.cuda.MemoryAsyncPool().malloc)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        there = cupy.zeros(1000, cupy.float32)
        for _ in range(steps):
            there = there + cupy.ones(1000, cupy.float32)
            stream.synchronize()
        assert float(there[0]) == steps


kind, steps = sys.argv[1], int(sys.argv[2])
globals()[kind](steps)
print("ok")
