# SPDX-License-Identifier: BSD-3-Clause
"""What streams owe one another, and what is left of them when they end."""

from __future__ import annotations

import ctypes
import threading
import time

from driver import (
    LATE,
    WRITE_LATE,
    Handle,
    Size,
    allocate,
    call,
    download,
    free_bytes,
    function,
    held,
    launch,
    new_stream,
    noise,
    start,
    upload,
)

PER_THREAD = ctypes.c_void_p(2)


def copies_wait_beside_streams_that_do_not() -> None:
    """A synchronous copy comes after what its stream had to do: streams that wait for none can tell."""
    memory, apart = allocate(1 << 20), new_stream()
    for size in (64, 1 << 20):
        data, ended = noise(size), threading.Event()

        def copy(data: bytes = data, ended: threading.Event = ended) -> None:
            start()
            upload(memory, data)
            ended.set()

        with held(Handle()):
            thread = threading.Thread(target=copy)
            thread.start()
            assert not ended.wait(0.5), size
        thread.join(30)
        assert ended.is_set()
        assert download(memory, size) == data, size
    call("cuStreamDestroy_v2", apart)
    call("cuMemFree_v2", memory)


def work_outlives_its_stream() -> None:
    """Memory that a kernel still uses is not given to others, though its stream is gone."""
    size = 64 << 20
    whole, kernel = free_bytes(), function("write_late", WRITE_LATE)
    for _ in range(3):
        stream, memory = new_stream(), allocate(size)
        assert launch(kernel, 1, 1, memory, ctypes.c_uint32(LATE), stream=stream) == 0
        call("cuStreamDestroy_v2", stream)
        call("cuMemFree_v2", memory)
        call("cuCtxSynchronize")
    assert free_bytes() == whole


def a_thread_has_a_new_stream_in_a_context_that_was_reset() -> None:
    kernel = function("add")
    for turn in range(2):
        memory = allocate(4)
        call("cuMemsetD32_v2", memory, turn, Size(1))
        assert launch(kernel, 1, 1, memory, ctypes.c_uint32(5), ctypes.c_uint32(1), stream=PER_THREAD) == 0
        call("cuStreamSynchronize", PER_THREAD)
        assert download(memory, 4) == (turn + 5).to_bytes(4, "little")
        call("cuDevicePrimaryCtxReset_v2", 0)
        start()
        kernel = function("add")


def a_thread_that_ends_after_a_reset_disturbs_nobody() -> None:
    used, reset = threading.Event(), threading.Event()

    def use() -> None:
        start()
        call("cuStreamSynchronize", PER_THREAD)
        used.set()
        reset.wait(20)

    thread = threading.Thread(target=use)
    thread.start()
    used.wait(20)
    call("cuDevicePrimaryCtxReset_v2", 0)
    start()
    memory = allocate(4)
    reset.set()
    thread.join(20)
    time.sleep(0.2)  # the thread's own end comes after Python's
    assert len(download(memory, 4)) == 4
    call("cuCtxSynchronize")


start()
copies_wait_beside_streams_that_do_not()
work_outlives_its_stream()
a_thread_has_a_new_stream_in_a_context_that_was_reset()
a_thread_that_ends_after_a_reset_disturbs_nobody()
print("ok")
