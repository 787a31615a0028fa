# SPDX-License-Identifier: BSD-3-Clause
"""Launches with attributes that concern what comes next: events of a launch, and the next launch."""

from __future__ import annotations

import ctypes
from ctypes import addressof, byref, c_int, c_uint, c_void_p

from driver import Address, Handle, allocate, call, cuda, fails, start, upload
from graph_tools import (
    INVALID_HANDLE,
    INVALID_VALUE,
    Add,
    begin,
    end,
    event,
    instantiate,
    made,
    numbers,
    run,
    set_words,
    stream,
)

N = 1 << 16
SERIALIZATION, PROGRAMMATIC_EVENT, COMPLETION_EVENT = 6, 7, 12
NO_TIMING, INTERPROCESS = 2, 4
NOT_READY = 600


class EventValue(ctypes.Structure):
    _fields_ = (("event", c_void_p), ("flags", c_int), ("at_block_start", c_int))


class Value(ctypes.Union):
    _fields_ = (("pad", ctypes.c_ubyte * 64), ("number", c_int), ("event", EventValue))


class Attribute(ctypes.Structure):
    """CUlaunchAttribute."""

    _fields_ = (("id", c_uint), ("pad", c_uint), ("value", Value))


class Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = (
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared", c_uint),
        ("stream", c_void_p),
        ("attributes", ctypes.POINTER(Attribute)),
        ("count", c_uint),
    )


assert ctypes.sizeof(Attribute) == 72
assert ctypes.sizeof(Config) == 56


def attribute(kind: int, event: Handle | None = None, number: int = 0, flags: int = 0) -> Attribute:
    out = Attribute(kind)
    if event is None:
        out.value.number = number
    else:
        out.value.event = EventValue(event.value, flags, 1)
    return out


def launch(add: Add, on: Handle, *attributes: Attribute) -> int:
    config = Config(
        (c_uint * 3)((add.n + 127) // 128, 1, 1), (c_uint * 3)(128, 1, 1), 0, on.value,
        (Attribute * len(attributes))(*attributes), len(attributes),
    )  # fmt: skip
    pointers = (c_void_p * 3)(*map(addressof, add.values))
    return cuda.cuLaunchKernelEx(byref(config), add.function, pointers, None)


def events_of_launches(memory: Address) -> None:
    """Another stream, or the host, waits for the launch by the event that the launch itself records."""
    on, other, add, gate = stream(), stream(), Add(memory, 1, N), allocate(4)
    for kind in (PROGRAMMATIC_EVENT, COMPLETION_EVENT):
        set_words(memory, 0, N)
        set_words(gate, 0, 1)
        reached = event()
        call("cuStreamWaitValue32", on, gate, 1, 0)
        for _ in range(20):
            assert launch(add, on, attribute(kind, reached)) == 0
        call("cuStreamWaitEvent", other, reached, 0)
        fails(NOT_READY, "cuEventQuery", reached)
        fails(NOT_READY, "cuStreamQuery", other)
        upload(gate, b"\1\0\0\0")
        call("cuEventSynchronize", reached)
        call("cuEventQuery", reached)
        call("cuStreamSynchronize", other)
        # The event says that the blocks have begun; that they have ended, the stream does.
        call("cuStreamSynchronize", on)
        assert numbers(memory, N) == [20] * N


def launches_that_may_overlap(memory: Address) -> None:
    """The kernel does not say when the next may begin, so the next begins when it has ended."""
    on, add = stream(), Add(memory, 2, N)
    set_words(memory, 0, N)
    for _ in range(10):
        assert launch(add, on, attribute(SERIALIZATION, number=1)) == 0
    call("cuStreamSynchronize", on)
    assert numbers(memory, N) == [20] * N


def in_a_capture(memory: Address) -> None:
    """The event brings another stream into the capture, behind the launch."""
    on, other, reached = stream(), stream(), event()
    set_words(memory, 0, N)
    begin(on)
    attributes = attribute(SERIALIZATION, number=1), attribute(COMPLETION_EVENT, reached)
    assert launch(Add(memory, 5, N), on, *attributes) == 0
    call("cuStreamWaitEvent", other, reached, 0)
    done = event()
    call("cuEventRecord", done, other)
    call("cuStreamWaitEvent", on, done, 0)
    assert launch(Add(memory, 1, N), on) == 0
    executable = instantiate(end(on))
    for times in (1, 2):
        run(executable, on)
        assert numbers(memory, N) == [6 * times] * N


def errors(memory: Address) -> None:
    on, add = stream(), Add(memory, 0, N)
    timed, shared = made("cuEventCreate", 0), made("cuEventCreate", NO_TIMING | INTERPROCESS)
    for unfit, flags in ((timed, 0), (shared, 0), (event(), 1)):
        # A launch is not waited for: its error comes with the next call that is.
        assert launch(add, on, attribute(COMPLETION_EVENT, unfit, flags=flags)) == 0
        fails(INVALID_VALUE, "cuStreamSynchronize", on)
    gone = event()
    call("cuEventDestroy_v2", gone)
    assert launch(add, on, attribute(PROGRAMMATIC_EVENT, gone)) in (INVALID_VALUE, INVALID_HANDLE)
    fails(0, "cuStreamSynchronize", on)


start()
numbers_there = allocate(4 * N)
events_of_launches(numbers_there)
launches_that_may_overlap(numbers_there)
in_a_capture(numbers_there)
errors(numbers_there)
print("ok")
