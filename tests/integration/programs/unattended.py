# SPDX-License-Identifier: BSD-3-Clause
"""Post a call right after a waiting one, then make no other: it must arrive. Prints how many did.

Each second round the calls before come so fast that the sending thread is not woken for them.
"""

from __future__ import annotations

import ctypes
import json
import threading

from device import call, open_device

ROUNDS, BURST = 300, 20

open_device()
arrived = threading.Event()
function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: arrived.set())
address = ctypes.cast(function, ctypes.c_void_p).value
block = call("cuMemAlloc", 4096)
count = 0
for number in range(ROUNDS):
    arrived.clear()
    for _ in range(1 + number % 2 * BURST):
        call("cuMemsetD8Async", block, 1, 4096, 0)  # may wake the sender; the next call overtakes it
        call("cuCtxSynchronize")
    call("cuLaunchHostFunc", 0, address, 0)
    count += arrived.wait(10)
    if count <= number:
        break
print(json.dumps({"arrived": count, "rounds": ROUNDS}), flush=True)
