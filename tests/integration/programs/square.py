# SPDX-License-Identifier: BSD-3-Clause
"""Square numbers on the GPU and check them, once or (argument ``forever``) again and again.

Prints ``ok N`` each time; a CUDA error is printed and ends the program with exit code 1.
"""

from __future__ import annotations

import ctypes
import sys
import time

import numpy as np
from device import call, launch, open_device


def squares_once() -> None:
    call("cuMemcpyHtoD", memory, numbers.ctypes.data, numbers.nbytes)
    launch("square", 16, 256, (int(memory), numbers.size), (ctypes.c_uint64, ctypes.c_uint32))
    found = np.empty_like(numbers)
    call("cuMemcpyDtoH", found.ctypes.data, memory, found.nbytes)
    assert np.array_equal(found, numbers * numbers)


open_device()
numbers = np.arange(4096, dtype=np.uint32)
memory = call("cuMemAlloc", numbers.nbytes)
rounds = 0
while True:
    try:
        squares_once()
    except RuntimeError as error:
        print(str(error).split(": ")[1], flush=True)
        sys.exit(1)
    rounds += 1
    print("ok", rounds, flush=True)
    if sys.argv[1:] != ["forever"]:
        break
    time.sleep(0.05)
