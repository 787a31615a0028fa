# SPDX-License-Identifier: BSD-3-Clause
"""Probe the memory limit; the last line of output is a JSON object of what was seen. Sizes in bytes.

Arguments: ``fill`` allocates until CUDA_ERROR_OUT_OF_MEMORY and frees; ``rounds N`` allocates and frees
N times; ``hold MIB`` allocates that much, prints ``holding`` and waits for its end, or prints the error.
"""

from __future__ import annotations

import json
import sys
import time

from device import call, open_device

MIB = 1 << 20
device = open_device()
what = sys.argv[1]
before, total = call("cuMemGetInfo")
seen = {"total": total, "device_total": call("cuDeviceTotalMem", device), "free_before": before}

if what == "fill":
    held = []
    try:
        while True:
            held.append(call("cuMemAlloc", 2 * MIB))
    except RuntimeError as error:
        seen["error"] = str(error)
    seen["held"] = len(held) * 2 * MIB
    seen["free_full"] = call("cuMemGetInfo")[0]
    for pointer in held:
        call("cuMemFree", pointer)
elif what == "rounds":
    for number in range(int(sys.argv[2])):
        sizes = (1000 + number % 7 * 4096, 3 * MIB)
        pointers = [call("cuMemAlloc", size) for size in sizes]
        for pointer in pointers:
            call("cuMemFree", pointer)
        if number == int(sys.argv[2]) // 10:
            print("warm", flush=True)
            time.sleep(0.5)
    print("done", flush=True)
    time.sleep(0.5)
elif what == "hold":
    try:
        call("cuMemAlloc", int(sys.argv[2]) * MIB)
        print("holding", flush=True)
        time.sleep(60)
    except RuntimeError as error:
        print(error, flush=True)
call("cuCtxSynchronize")
seen["free_after"] = call("cuMemGetInfo")[0]
print(json.dumps(seen), flush=True)
