# SPDX-License-Identifier: BSD-3-Clause
"""IPC handles: another process maps memory and waits for events; forged handles open nothing."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np

from tests.native.ptx.harness import Driver, Result

from .graphs import HOST_FN, Graphs

INVALID_CONTEXT, INVALID_HANDLE = 201, 400
INTERPROCESS, DISABLE_TIMING = 4, 2


class Ipc(ctypes.Structure):
    """CUipcMemHandle and CUipcEventHandle."""

    _fields_ = (("bytes", ctypes.c_ubyte * 64),)


def start(library: Path, memory: Ipc, event: Ipc) -> subprocess.Popen[str]:
    """Another process that waits for the event, adds one to the memory's words and says what was there."""
    program = """
        import ctypes, sys
        import numpy as np
        from tests.native.ptx.harness import Driver
        from tests.native.softgpu.test_between_processes import Ipc
        driver = Driver(sys.argv[1])
        memory, event = [Ipc.from_buffer_copy(bytes.fromhex(text)) for text in sys.argv[2:]]
        with driver.primary_context():
            address, there = ctypes.c_uint64(), ctypes.c_void_p()
            driver.call("cuIpcOpenMemHandle_v2", ctypes.byref(address), memory, 1)
            driver.call("cuIpcOpenEventHandle", ctypes.byref(there), event)
            pending = driver.lib.cuEventQuery(there)
            print("waiting", pending, flush=True)
            driver.call("cuStreamWaitEvent", None, there, 0)
            words = np.zeros(1000, np.uint32)
            driver.copy_out(words, address.value)
            print("found", words.min(), words.max(), flush=True)
            driver.copy_in(address.value, words + 1)
            driver.call("cuIpcCloseMemHandle", ctypes.c_uint64(address.value))
    """
    root = str(Path(__file__).resolve().parents[3])
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n" + textwrap.dedent(program),
         str(library), bytes(memory).hex(), bytes(event).hex()],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_another_process_shares_memory_and_events(gpu: Driver, driver_library: Path) -> None:
    graphs, go = Graphs(gpu), threading.Event()
    neighbour = gpu.upload(np.full(10, 7, np.uint32))
    buffer = gpu.upload(np.full(1000, 3, np.uint32))
    memory, shown = Ipc(), Ipc()
    gpu.call("cuIpcGetMemHandle", ctypes.byref(memory), ctypes.c_uint64(buffer.address))
    event = graphs.made("cuEventCreate", INTERPROCESS | DISABLE_TIMING)
    gpu.call("cuIpcGetEventHandle", ctypes.byref(shown), event)
    stream, hold = graphs.stream(), HOST_FN(lambda _: go.wait(60))
    gpu.call("cuLaunchHostFunc", stream, hold, None)
    gpu.call("cuMemsetD32Async", ctypes.c_uint64(buffer.address), 5, ctypes.c_size_t(1000), stream)
    gpu.call("cuEventRecord", event, stream)
    other = start(driver_library, memory, shown)
    assert other.stdout is not None
    assert other.stdout.readline() == "waiting 600\n"
    go.set()
    assert other.stdout.readline() == "found 5 5\n"
    assert other.wait(60) == 0
    assert set(buffer.get(np.uint32)) == {6}
    assert set(neighbour.get(np.uint32)) == {7}
    address = ctypes.c_uint64()
    assert graphs.code("cuIpcOpenMemHandle_v2", ctypes.byref(address), memory, 1) == INVALID_CONTEXT
    memory.bytes[4] ^= 1
    memory.bytes[20] ^= 1
    assert graphs.code("cuIpcOpenMemHandle_v2", ctypes.byref(address), memory, 1) == INVALID_HANDLE
    assert graphs.code("cuIpcOpenMemHandle_v2", ctypes.byref(address), Ipc(), 1) == INVALID_HANDLE


def test_only_events_made_for_it_are_shared(gpu: Driver) -> None:
    graphs, shown = Graphs(gpu), Ipc()
    assert graphs.code("cuIpcGetEventHandle", ctypes.byref(shown), graphs.event()) == Result.INVALID_VALUE
    timed = ctypes.c_void_p()
    assert graphs.code("cuEventCreate", ctypes.byref(timed), INTERPROCESS) == Result.INVALID_VALUE
