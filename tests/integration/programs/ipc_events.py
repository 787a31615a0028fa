# SPDX-License-Identifier: BSD-3-Clause
"""Wait for and record an event together with another process of the same lease.

``ipc_events.py own FILE`` makes an event and lets a process of its own, ``ipc_events.py open EVENT MEMORY``,
take part; then it waits for the file before it ends. The last line is a JSON object of what was seen.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
from cuda.bindings import driver
from device import call, failure, open_device, wait_for_file
from ipc import from_hex, to_hex

COUNT = 1000
NON_BLOCKING, NO_TIMING, INTERPROCESS = 1, 2, 4


def is_reached(event: driver.CUevent) -> bool:
    (result,) = driver.cuEventQuery(event)
    assert result in (driver.CUresult.CUDA_SUCCESS, driver.CUresult.CUDA_ERROR_NOT_READY)
    return bool(result == driver.CUresult.CUDA_SUCCESS)


def let_go(gate: int, turn: int) -> None:
    """Let streams go on that wait for the word ``gate`` to reach ``turn``."""
    call("cuMemcpyHtoD", gate, np.full(1, turn, np.uint32), 4)


def values(memory: int, stream: driver.CUstream) -> list[int]:
    """Copy the numbers to the host in a stream, and return those that occur."""
    host = np.empty(COUNT, np.uint32)
    call("cuMemcpyDtoHAsync", host, memory, host.nbytes, stream)
    call("cuStreamSynchronize", stream)
    return sorted(set(host.tolist()))


def write_behind(gate: int, turn: int, value: int, memory: int, event: driver.CUevent) -> driver.CUstream:
    """Record the event in a stream behind numbers that are written when ``gate`` says so."""
    stream = call("cuStreamCreate", NON_BLOCKING)
    call("cuStreamWaitValue32", stream, gate, turn, 0)
    call("cuMemsetD32Async", memory, value, COUNT, stream)
    call("cuEventRecord", event, stream)
    return stream


def own(seen: dict[str, object]) -> None:
    block = int(call("cuMemAlloc", 4 * COUNT + 256))
    call("cuMemsetD8", block, 0, 4 * COUNT + 256)
    gate, memory = block, block + 256
    event = call("cuEventCreate", INTERPROCESS | NO_TIMING)
    handle = call("cuIpcGetEventHandle", event)
    write_behind(gate, 1, 5, memory, event)
    seen["private"] = failure("cuIpcGetEventHandle", call("cuEventCreate", NO_TIMING))
    seen["opened_own"] = failure("cuIpcOpenEventHandle", handle)
    command = [sys.executable, __file__, "open", to_hex(handle), to_hex(call("cuIpcGetMemHandle", block))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waits\n"
        let_go(gate, 1)
        assert child.stdout.readline() == "recorded\n"
        seen["recorded_by_the_other"] = is_reached(event)
        stream = call("cuStreamCreate", NON_BLOCKING)
        call("cuStreamWaitEvent", stream, event, 0)
        let_go(gate, 2)
        seen["values"] = values(memory, stream)
        call("cuEventSynchronize", event)
        seen["child"] = json.loads(child.communicate("", timeout=60)[0].splitlines()[-1])
    seen["in_the_end"] = is_reached(event)
    print(f"handle {to_hex(handle)}", flush=True)
    wait_for_file(sys.argv[2])


def other(seen: dict[str, object], event_handle: str, memory_handle: str) -> None:
    event = call("cuIpcOpenEventHandle", from_hex(event_handle, driver.CUipcEventHandle))
    gate = int(call("cuIpcOpenMemHandle", from_hex(memory_handle), 1))
    memory = gate + 256
    seen["at_first"] = is_reached(event)
    stream = call("cuStreamCreate", NON_BLOCKING)
    call("cuStreamWaitEvent", stream, event, 0)
    print("waits", flush=True)
    seen["values"] = values(memory, stream)
    seen["then"] = is_reached(event)
    write_behind(gate, 2, 6, memory, event)
    seen["recorded"] = is_reached(event)
    print("recorded", flush=True)
    call("cuEventSynchronize", event)
    call("cuEventDestroy", event)
    call("cuIpcCloseMemHandle", gate)


if __name__ == "__main__":
    open_device()
    seen: dict[str, object] = {}
    if sys.argv[1:2] == ["open"] and len(sys.argv) == 3:
        seen["error"] = failure("cuIpcOpenEventHandle", from_hex(sys.argv[2], driver.CUipcEventHandle))
    elif sys.argv[1:2] == ["open"]:
        other(seen, *sys.argv[2:])
    else:
        own(seen)
    print(json.dumps(seen), flush=True)
