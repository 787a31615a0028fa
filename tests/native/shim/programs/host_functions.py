# SPDX-License-Identifier: BSD-3-Clause
"""Streams call functions of the program in their order, and nothing that the program does meanwhile hangs."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable

from driver import (
    Handle,
    Size,
    allocate,
    call,
    cuda,
    download,
    fails,
    function,
    held,
    launch,
    noise,
    start,
    upload,
)

HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
NOT_PERMITTED = 800
kept: list[object] = []  # the driver does not keep Python's functions alive


def stream() -> Handle:
    out = Handle()
    call("cuStreamCreate", ctypes.byref(out), 1)
    return out


def enqueue(to: Handle, action: Callable[[], object]) -> None:
    native = HostFunction(lambda _: action() and None)
    kept.append(native)
    call("cuLaunchHostFunc", to, native, None)


def order() -> None:
    """Between kernels and copies: each sees what came before it and is seen by what comes after."""
    here, kernel, memory = stream(), function("add"), allocate(4)
    upload(memory, bytes(4))
    host = ctypes.c_uint32(100)
    seen: list[int] = []
    for turn in range(20):
        call("cuMemcpyHtoDAsync_v2", memory, ctypes.byref(host), Size(4), here)
        assert launch(kernel, 1, 1, memory, ctypes.c_uint32(turn), ctypes.c_uint32(1), stream=here) == 0
        copied = ctypes.c_uint32()
        call("cuMemcpyDtoHAsync_v2", ctypes.byref(copied), memory, Size(4), here)
        enqueue(here, lambda copied=copied: seen.append(copied.value))
    call("cuStreamSynchronize", here)
    assert seen == [100 + turn for turn in range(20)], seen
    slow = stream()
    done: list[str] = []
    event = Handle()
    call("cuEventCreate", ctypes.byref(event), 0)
    with held(slow):
        enqueue(slow, lambda: done.append("function"))
        call("cuEventRecord", event, slow)
        fails(600, "cuEventQuery", event)
    call("cuEventSynchronize", event)
    assert done == ["function"]


def streams() -> None:
    """Many functions of many streams: each stream's in its order, and all of them once."""
    seen: dict[int, list[int]] = {number: [] for number in range(8)}
    all_streams = {number: stream() for number in seen}
    for turn in range(50):
        for number, here in all_streams.items():
            enqueue(here, lambda number=number, turn=turn: seen[number].append(turn))
    call("cuCtxSynchronize")
    assert all(turns == list(range(50)) for turns in seen.values())


def callbacks() -> None:
    here, seen = stream(), []
    native = Callback(lambda *arguments: seen.append(arguments) and None)
    call("cuStreamAddCallback", here, native, ctypes.c_void_p(4711), 0)
    call("cuStreamSynchronize", here)
    assert seen == [(here.value, 0, 4711)], seen
    fails(1, "cuStreamAddCallback", here, native, None, 1)


def no_cuda_inside() -> None:
    results: list[int] = []
    enqueue(stream(), lambda: results.append(cuda.cuCtxSynchronize()))
    call("cuCtxSynchronize")
    assert results == [NOT_PERMITTED]


def nothing_waits() -> None:
    """While a function waits for another thread of the program, that thread's calls go through."""
    held, other, opened = stream(), stream(), threading.Event()
    big = noise(6 << 20)
    memories = [allocate(len(big)) for _ in range(4)]
    module = Handle()
    enqueue(held, lambda: opened.wait(40))
    waiting = [
        threading.Thread(target=lambda: (start(), call("cuStreamSynchronize", held))) for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
    for turn in range(12):  # more than the worker's buffers hold, behind the function and beside it
        call("cuMemcpyHtoDAsync_v2", memories[turn % 2], big, Size(len(big)), held)
        call("cuMemcpyHtoDAsync_v2", memories[2 + turn % 2], big, Size(len(big)), other)
    out = ctypes.create_string_buffer(len(big))
    call("cuMemcpyDtoHAsync_v2", out, memories[2], Size(len(big)), other)
    assert out.raw == big
    call("cuMemFree_v2", memories[3])
    memories[3] = allocate(64)
    call("cuModuleLoadData", ctypes.byref(module), b".version 7.0\n.target sm_70\n.address_size 64\n")
    fails(600, "cuStreamQuery", held)
    opened.set()
    call("cuModuleUnload", module)
    for thread in waiting:
        thread.join(40)
        assert not thread.is_alive()
    assert download(memories[1], len(big)) == big


def forked() -> None:
    """A child has no part in it, and its end does not disturb the parent's functions."""
    here, seen = stream(), []
    child = os.fork()
    if child == 0:
        os._exit(0 if cuda.cuLaunchHostFunc(here, HostFunction(lambda _: None), None) == 3 else 1)
    assert os.waitpid(child, 0)[1] == 0
    enqueue(here, lambda: seen.append(1))
    call("cuStreamSynchronize", here)
    assert seen == [1]


def leave() -> None:
    """End while a function is running and others wait for it."""
    for _ in range(3):
        enqueue(stream(), lambda: time.sleep(30))
    print("ok", flush=True)


def hold() -> None:
    """Stay in a function until killed."""
    enqueue(stream(), lambda: (print("inside", flush=True), time.sleep(60)))
    call("cuCtxSynchronize")


start()
if len(sys.argv) > 1:
    {"leave": leave, "hold": hold}[sys.argv[1]]()
else:
    for check in (order, streams, callbacks, no_cuda_inside, nothing_waits, forked):
        check()
    print("ok")
