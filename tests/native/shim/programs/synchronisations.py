# SPDX-License-Identifier: BSD-3-Clause
"""Synchronisations that the answer before them has made needless, and those that look alike and are not.

With a number as its argument it makes as many steps of the first kind: the test counts their round trips.
"""

from __future__ import annotations

import ctypes
import sys

from driver import (
    LATE,
    WRITE_LATE,
    Address,
    Handle,
    Size,
    allocate,
    call,
    fails,
    function,
    launch,
    new_stream,
    start,
)

NOT_READY, CAPTURE_UNSUPPORTED, ILLEGAL_ADDRESS = 600, 900, 700
RELAXED = 2

start()
late, poke = function("write_late", WRITE_LATE), function("poke")
memory, scalar = allocate(4096), ctypes.c_uint32()


def fetch(on: object) -> int:
    call("cuMemcpyDtoHAsync_v2", ctypes.byref(scalar), memory, Size(4), on)
    return scalar.value


def slow_work(on: Handle) -> Handle:
    """Return an event that comes after it."""
    done, there = Handle(), Address(memory.value + 64)
    call("cuEventCreate", ctypes.byref(done), 2)
    assert launch(late, 1, 1, there, ctypes.c_uint32(LATE), stream=on) == 0
    call("cuEventRecord", done, on)
    return done


def steps(count: int) -> None:
    """A launch, one number that is looked at, and what frameworks call to be sure of it."""
    on = new_stream()
    for step in range(1, count + 1):
        assert launch(late, 1, 1, memory, ctypes.c_uint32(step), stream=on) == 0
        assert fetch(on) == step
        call("cuStreamSynchronize", on)
        call("cuStreamQuery", on)
        call("cuStreamSynchronize", on)


def another_stream_is_waited_for() -> None:
    one, other = new_stream(), new_stream()
    for name, argument in (("cuStreamSynchronize", (other,)), ("cuCtxSynchronize", ())):
        done = slow_work(other)
        fails(NOT_READY, "cuStreamQuery", other)
        fetch(one)
        call(name, *argument)
        call("cuEventQuery", done)


def later_work_is_waited_for() -> None:
    for on in (new_stream(), None):
        fetch(on)
        done = slow_work(on)
        call("cuStreamSynchronize", on)
        call("cuEventQuery", done)


def the_whole_context_covers_its_streams() -> None:
    one = new_stream()
    slow_work(one)
    call("cuCtxSynchronize")
    call("cuStreamSynchronize", one)
    call("cuStreamSynchronize", None)
    call("cuCtxSynchronize")


def what_is_no_stream_is_refused() -> None:
    gone = new_stream()
    fetch(gone)
    call("cuStreamSynchronize", gone)
    call("cuStreamDestroy_v2", gone)
    fails(400, "cuStreamSynchronize", gone)
    fetch(None)
    context = Handle()
    call("cuCtxPopCurrent_v2", ctypes.byref(context))
    fails(201, "cuStreamSynchronize", None)
    fails(201, "cuCtxSynchronize")
    call("cuCtxPushCurrent_v2", context)


def a_capture_is_not_waited_for() -> None:
    captured, graph = new_stream(), Handle()
    call("cuStreamBeginCapture_v2", captured, RELAXED)
    fetch(new_stream())
    fails(CAPTURE_UNSUPPORTED, "cuStreamSynchronize", captured)
    fails(901, "cuStreamEndCapture", captured, ctypes.byref(graph))


def an_error_is_not_lost() -> None:
    one, other = new_stream(), new_stream()
    slow_work(other)
    assert launch(poke, 1, 1, ctypes.c_uint64(8), stream=other) == 0
    fetch(one)
    call("cuStreamSynchronize", one)
    fails(ILLEGAL_ADDRESS, "cuStreamSynchronize", other)
    fails(ILLEGAL_ADDRESS, "cuStreamSynchronize", one)
    fails(ILLEGAL_ADDRESS, "cuCtxSynchronize")


if len(sys.argv) > 1:
    steps(int(sys.argv[1]))
else:
    another_stream_is_waited_for()
    later_work_is_waited_for()
    the_whole_context_covers_its_streams()
    what_is_no_stream_is_refused()
    a_capture_is_not_waited_for()
    an_error_is_not_lost()
print("ok")
