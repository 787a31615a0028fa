# SPDX-License-Identifier: BSD-3-Clause
"""Page-locked memory of all sizes: copies from and to it, by one thread and several, waited for and not."""

from __future__ import annotations

import ctypes
import os
import threading

from driver import (
    LATE,
    WRITE_LATE,
    Address,
    Handle,
    Size,
    allocate,
    call,
    download,
    function,
    launch,
    new_stream,
    noise,
    start,
    upload,
)

start()
context = Handle()
call("cuCtxGetCurrent", ctypes.byref(context))
SIZES = (1, 4096, 65535, 65536, 300_000, (9 << 20) + 3)


class Pinned:
    """Page-locked memory with ``size`` bytes; ``flags`` as in cuMemHostAlloc."""

    def __init__(self, size: int, flags: int = 0) -> None:
        self.pointer, self.size = Handle(), size
        call("cuMemHostAlloc", ctypes.byref(self.pointer), Size(size), flags)

    @property
    def bytes(self) -> bytes:
        return ctypes.string_at(self.pointer, self.size)

    def fill(self, data: bytes) -> None:
        ctypes.memmove(self.pointer, data, len(data))

    def at(self, offset: int) -> Handle:
        assert self.pointer.value
        return Handle(self.pointer.value + offset)

    def free(self) -> None:
        call("cuMemFreeHost", self.pointer)


def there_and_back() -> None:
    for size in SIZES:
        memory, pinned, data = allocate(size), Pinned(size), noise(size)
        pinned.fill(data)
        call("cuMemcpyHtoD_v2", memory, pinned.pointer, Size(size))
        pinned.fill(bytes(size))  # a copy that was waited for has been made
        assert download(memory, size) == data, size
        call("cuMemcpyDtoH_v2", pinned.pointer, memory, Size(size))
        assert pinned.bytes == data, size
        pinned.free()
        call("cuMemFree_v2", memory)


def in_a_stream() -> None:
    """What is not waited for happens in the stream's order, at its own time."""
    stream, late = new_stream(), function("write_late", WRITE_LATE)
    memory, pinned = allocate(1 << 20), Pinned(1 << 20)
    assert launch(late, 1, 1, memory, ctypes.c_uint32(LATE), stream=stream) == 0
    call("cuMemcpyDtoHAsync_v2", pinned.pointer, memory, Size(1 << 20), stream)
    call("cuStreamSynchronize", stream)
    assert pinned.bytes[:4] == LATE.to_bytes(4, "little")
    data = noise(1 << 20)
    pinned.fill(data)
    call("cuMemcpyHtoDAsync_v2", memory, pinned.pointer, Size(1 << 20), stream)
    call("cuMemcpyDtoHAsync_v2", pinned.at(512 << 10), memory, Size(512 << 10), stream)
    call("cuStreamSynchronize", stream)
    assert pinned.bytes == data[: 512 << 10] * 2
    # Memory that is freed at once is still copied from.
    pinned.fill(data)
    call("cuMemcpyHtoDAsync_v2", memory, pinned.pointer, Size(1 << 20), stream)
    pinned.free()
    call("cuStreamSynchronize", stream)
    assert download(memory, 1 << 20) == data


def what_is_not_all_inside() -> None:
    """A copy that begins in page-locked memory and ends outside is an ordinary one."""
    pinned, memory = Pinned(128 << 10), allocate(128 << 10)
    data = noise(64 << 10)
    pinned.fill(data * 2)
    call("cuMemcpyHtoD_v2", memory, pinned.at(64 << 10), Size(64 << 10))
    assert download(memory, 64 << 10) == data
    pinned.free()


def many_threads() -> None:
    failed = []

    def work(seed: int) -> None:
        call("cuCtxSetCurrent", context)
        stream, size = new_stream(), 200_000 + seed * 1000
        memory, pinned = allocate(size), Pinned(size)
        for turn in range(20):
            data = bytes([seed + turn & 255]) * size
            call("cuMemcpyHtoDAsync_v2", memory, data, Size(size), stream)
            call("cuMemcpyDtoHAsync_v2", pinned.pointer, memory, Size(size), stream)
            call("cuStreamSynchronize", stream)
            if pinned.bytes != data or download(memory, size) != data:
                failed.append((seed, turn))
        pinned.free()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def a_child_leaves_its_parent_alone() -> None:
    memory, data = allocate(1 << 20), noise(1 << 20)
    child = os.fork()
    if child == 0:
        os._exit(0)
    upload(memory, data)
    assert os.waitpid(child, 0)[1] == 0
    assert download(memory, 1 << 20) == data


def mapped_memory_of_a_context_that_is_reset() -> None:
    """Memory outlives the context in which it was allocated, and the copies of the next one find it."""
    pinned, data = Pinned(1 << 20), noise(1 << 20)
    pinned.fill(data)
    call("cuDevicePrimaryCtxReset_v2", 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
    call("cuCtxSetCurrent", context)
    memory = allocate(1 << 20)
    call("cuMemcpyHtoD_v2", memory, pinned.pointer, Size(1 << 20))
    assert download(memory, 1 << 20) == data
    call("cuMemFree_v2", Address(memory.value))


there_and_back()
in_a_stream()
what_is_not_all_inside()
many_threads()
a_child_leaves_its_parent_alone()
mapped_memory_of_a_context_that_is_reset()
print("ok")
