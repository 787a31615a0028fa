# SPDX-License-Identifier: BSD-3-Clause
"""Steps of numba programs: the test counts the calls of theirs that wait.

Arguments: the kind, and how many steps.
"""

from __future__ import annotations

import sys

import numpy as np
from numba import cuda

SIZE = 1000
GRID, BLOCK = 8, 128


@cuda.jit
def add(data, value):
    at = cuda.grid(1)
    if at < data.size:
        data[at] += value


def copies(steps: int) -> float:
    """One synchronisation each: the result is looked at."""
    data = np.zeros(SIZE, np.float32)
    for _ in range(steps):
        there = cuda.to_device(data)
        add[GRID, BLOCK](there, 1)
        data = there.copy_to_host()
    return data[0]


def resident(steps: int) -> float:
    """One synchronisation each, which the program asks for."""
    there = cuda.to_device(np.zeros(SIZE, np.float32))
    for _ in range(steps):
        add[GRID, BLOCK](there, 1)
        cuda.synchronize()
    return there.copy_to_host()[0]


def eager(steps: int) -> float:
    """One synchronisation each: ten launches, temporary memory, events, and one number that is looked at."""
    stream, loss = cuda.stream(), np.zeros(1, np.float32)
    there = cuda.to_device(np.zeros(SIZE, np.float32), stream)
    done = cuda.event(timing=False)
    for _ in range(steps):
        batch = cuda.to_device(np.ones(SIZE, np.float32), stream)
        temporary = cuda.device_array(SIZE, np.float32, stream=stream)
        add[GRID, BLOCK, stream](there, 1)
        for _ in range(9):
            add[GRID, BLOCK, stream](temporary, 1)
        done.record(stream)
        there[:1].copy_to_host(loss, stream)
        stream.synchronize()
        assert done.query()
        done.synchronize()
        del batch, temporary
    return loss[0]


def timed(steps: int) -> float:
    """Two each: an event is waited for, and the time between two is asked."""
    there = cuda.to_device(np.zeros(SIZE, np.float32))
    for _ in range(steps):
        begin, end = cuda.event(), cuda.event()
        begin.record()
        add[GRID, BLOCK](there, 1)
        end.record()
        end.synchronize()
        assert cuda.event_elapsed_time(begin, end) >= 0
    return there.copy_to_host()[0]


kind, steps = sys.argv[1], int(sys.argv[2])
assert globals()[kind](steps) == steps
print("ok")
