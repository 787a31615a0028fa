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
from typing import Any

import numpy as np
from cuda.bindings import driver
from device import call, failure, open_device, wait_for_file

HANDLE_BYTES = 64
SIZES = (4096, 4096, 5 << 20)  # two that share a chunk of memory, and one that has its own


def from_hex(text: str, kind: type[Any] = driver.CUipcMemHandle) -> Any:
    handle = kind()
    ctypes.memmove(handle.getPtr(), bytes.fromhex(text), HANDLE_BYTES)
    return handle


def to_hex(handle: Any) -> str:
    return ctypes.string_at(handle.getPtr(), HANDLE_BYTES).hex()


def name_of(block: driver.CUdeviceptr | int) -> str:
    return to_hex(call("cuIpcGetMemHandle", block))


def own(seen: dict[str, object]) -> None:
    blocks = [call("cuMemAlloc", size) for size in SIZES]
    for number, (block, size) in enumerate(zip(blocks, SIZES, strict=True)):
        call("cuMemcpyHtoD", block, np.full(size, number + 1, np.uint8), size)
    handles = [name_of(block) for block in blocks]
    # An address in the midst of a block names the block.
    seen["midst"] = name_of(int(blocks[2]) + 1000) == handles[2]
    seen["opened_own"] = failure("cuIpcOpenMemHandle", from_hex(handles[0]), 1)
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
    wait_for_file(sys.argv[2])
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
    seen["freed_borrowed"] = failure("cuMemFree", opened[0])
    for block in opened:
        call("cuIpcCloseMemHandle", block)
    seen["given_back"] = call("cuMemGetInfo")[0] == free
    try:
        call("cuMemsetD8", opened[0], 0, 1)
        call("cuCtxSynchronize")
    except RuntimeError as error:
        seen["used_closed"] = str(error)


if __name__ == "__main__":
    open_device()
    seen: dict[str, object] = {}
    if sys.argv[1:2] == ["open"]:
        other(seen, sys.argv[2:])
    else:
        own(seen)
    print(json.dumps(seen), flush=True)
