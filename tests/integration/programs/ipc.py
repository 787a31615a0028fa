# SPDX-License-Identifier: BSD-3-Clause
"""Share device memory with another process of the same lease.

``ipc.py own FILE`` makes blocks and lets a process of its own, ``ipc.py open HANDLE…``, double what is in
them; then it waits for the file before it ends. The last line is a JSON object of what was seen.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from cuda.bindings import driver
from device import call, open_device

HANDLE_BYTES = 64
SIZES = (4096, 4096, 5 << 20)  # two that share a chunk of memory, and one that has its own


def from_hex(text: str) -> driver.CUipcMemHandle:
    handle = driver.CUipcMemHandle()
    ctypes.memmove(handle.getPtr(), bytes.fromhex(text), HANDLE_BYTES)
    return handle


def to_hex(block: driver.CUdeviceptr | int) -> str:
    return ctypes.string_at(call("cuIpcGetMemHandle", block).getPtr(), HANDLE_BYTES).hex()


def own(seen: dict[str, object]) -> None:
    blocks = [call("cuMemAlloc", size) for size in SIZES]
    for number, (block, size) in enumerate(zip(blocks, SIZES, strict=True)):
        call("cuMemcpyHtoD", block, np.full(size, number + 1, np.uint8), size)
    handles = [to_hex(block) for block in blocks]
    # An address in the midst of a block names the block.
    seen["midst"] = to_hex(int(blocks[2]) + 1000) == handles[2]
    try:
        call("cuIpcOpenMemHandle", from_hex(handles[0]), 1)
    except RuntimeError as error:
        seen["opened_own"] = str(error)
    child = subprocess.run(
        [sys.executable, __file__, "open", *handles], capture_output=True, text=True, timeout=60, check=True
    )
    seen["child"] = json.loads(child.stdout.splitlines()[-1])
    values = []
    for block, size in zip(blocks, SIZES, strict=True):
        host = np.empty(size, np.uint8)
        call("cuMemcpyDtoH", host, block, size)
        values.append(sorted(set(host.tolist())))
    seen["values"] = values
    print(f"handle {handles[0]}", flush=True)
    give_up = time.monotonic() + 60
    while not Path(sys.argv[2]).exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    call("cuMemFree", blocks[0])
    stale = subprocess.run(
        [sys.executable, __file__, "open", handles[0]], capture_output=True, text=True, timeout=60, check=True
    )
    seen["stale"] = json.loads(stale.stdout.splitlines()[-1])


def other(seen: dict[str, object], handles: list[str]) -> None:
    free = call("cuMemGetInfo")[0]
    try:
        opened = [call("cuIpcOpenMemHandle", from_hex(handle), 1) for handle in handles]
    except RuntimeError as error:
        seen["error"] = str(error)
        return
    seen["again"] = int(call("cuIpcOpenMemHandle", from_hex(handles[0]), 1)) == int(opened[0])
    call("cuIpcCloseMemHandle", opened[0])
    seen["ranges"] = [call("cuMemGetAddressRange", block)[1] for block in opened]
    for block, size in zip(opened, SIZES, strict=False):
        host = np.empty(size, np.uint8)
        call("cuMemcpyDtoH", host, block, size)
        call("cuMemcpyHtoD", block, host * 2, size)
    call("cuCtxSynchronize")
    try:
        call("cuMemFree", opened[0])
    except RuntimeError as error:
        seen["freed_borrowed"] = str(error)
    for block in opened:
        call("cuIpcCloseMemHandle", block)
    seen["given_back"] = call("cuMemGetInfo")[0] == free
    try:
        call("cuMemsetD8", opened[0], 0, 1)
        call("cuCtxSynchronize")
    except RuntimeError as error:
        seen["used_closed"] = str(error)


open_device()
seen: dict[str, object] = {}
if sys.argv[1:2] == ["open"]:
    other(seen, sys.argv[2:])
else:
    own(seen)
print(json.dumps(seen), flush=True)
