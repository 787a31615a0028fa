# SPDX-License-Identifier: BSD-3-Clause
"""Square numbers on the GPU and check them, once or (argument ``forever``) again and again; prints ``ok N`` each time."""

from __future__ import annotations

import ctypes
import sys
import time

import numpy as np
from device import call, launch, open_device

open_device()
numbers = np.arange(4096, dtype=np.uint32)
memory = call("cuMemAlloc", numbers.nbytes)
rounds = 0
while True:
    call("cuMemcpyHtoD", memory, numbers.ctypes.data, numbers.nbytes)
    launch("square", 16, 256, (int(memory), numbers.size), (ctypes.c_uint64, ctypes.c_uint32))
    found = np.empty_like(numbers)
    call("cuMemcpyDtoH", found.ctypes.data, memory, found.nbytes)
    assert np.array_equal(found, numbers * numbers)
    rounds += 1
    print("ok", rounds, flush=True)
    if sys.argv[1:] != ["forever"]:
        break
    time.sleep(0.05)
