# SPDX-License-Identifier: BSD-3-Clause
"""Programs that ask again and again whether something is done: the worker is asked once, and tells.

With "pending" or "done" and a number as arguments it makes as many queries of the one kind: the test counts
their round trips.
"""

from __future__ import annotations

import ctypes
import sys
import threading

from driver import (
    Address,
    Handle,
    Size,
    allocate,
    call,
    cuda,
    fails,
    function,
    held,
    launch,
    new_stream,
    start,
)

NOT_READY, ILLEGAL_ADDRESS, CAPTURED_EVENT, INVALID_HANDLE = 600, 700, 907, 400
RELAXED, EXTERNAL = 2, 1


def new_event() -> Handle:
    out = Handle()
    call("cuEventCreate", ctypes.byref(out), 2)
    return out


def recorded(stream: Handle) -> Handle:
    event = new_event()
    call("cuEventRecord", event, stream)
    return event


def wait_by_polling(name: str, handle: Handle) -> int:
    """Make no other call meanwhile; return the first answer that is another than not yet."""
    while (answer := getattr(cuda, name)(handle)) == NOT_READY:
        pass
    return answer


def many_while_pending(count: int) -> None:
    stream = new_stream()
    with held(stream):
        event = recorded(stream)
        for _ in range(count // 2):
            fails(NOT_READY, "cuEventQuery", event)
            fails(NOT_READY, "cuStreamQuery", stream)
    assert wait_by_polling("cuEventQuery", event) == 0
    assert wait_by_polling("cuStreamQuery", stream) == 0


def many_when_done(count: int) -> None:
    stream = new_stream()
    first, second = recorded(stream), recorded(stream)
    call("cuEventSynchronize", second)
    third = recorded(stream)
    call("cuStreamSynchronize", stream)
    fourth = recorded(stream)
    call("cuCtxSynchronize")
    for _ in range(count // 8):
        for event in (first, second, third, fourth):
            call("cuEventQuery", event)
            call("cuEventSynchronize", event)


def a_record_makes_an_event_anew() -> None:
    stream = new_stream()
    event = recorded(stream)
    call("cuStreamSynchronize", stream)
    call("cuEventQuery", event)
    for _ in range(2):
        with held(stream):
            call("cuEventRecord", event, stream)
            fails(NOT_READY, "cuEventQuery", event)
            call("cuEventRecord", event, stream)
            fails(NOT_READY, "cuEventQuery", event)
        assert wait_by_polling("cuEventQuery", event) == 0
        call("cuEventSynchronize", event)


def one_stream_says_nothing_of_another() -> None:
    busy, free = new_stream(), new_stream()
    with held(busy):
        event = recorded(busy)
        recorded(free)
        call("cuStreamSynchronize", free)
        call("cuStreamQuery", free)
        fails(NOT_READY, "cuEventQuery", event)
        # What the stream was doing goes on when it is destroyed, and a new one may be in its place.
        call("cuStreamDestroy_v2", busy)
        another = new_stream()
        call("cuStreamSynchronize", another)
        call("cuStreamQuery", another)
        fails(NOT_READY, "cuEventQuery", event)
    assert wait_by_polling("cuEventQuery", event) == 0


def work_that_follows_counts() -> None:
    stream = new_stream()
    with held(stream):
        fails(NOT_READY, "cuStreamQuery", stream)
    assert wait_by_polling("cuStreamQuery", stream) == 0
    with held(stream):
        fails(NOT_READY, "cuStreamQuery", stream)
    call("cuStreamSynchronize", stream)
    call("cuStreamQuery", stream)


def a_new_event_knows_nothing_of_the_old_one() -> None:
    stream = new_stream()
    with held(stream):
        old = recorded(stream)
        fails(NOT_READY, "cuEventQuery", old)
        call("cuEventDestroy_v2", old)
        new = new_event()
        call("cuEventQuery", new)  # never recorded
    call("cuStreamSynchronize", stream)
    call("cuEventDestroy_v2", new)
    fails(INVALID_HANDLE, "cuEventQuery", new)


def graphs_record_events_too() -> None:
    """At each launch, out of the client's sight."""
    stream, graph, run, node = new_stream(), Handle(), Handle(), Handle()
    event = recorded(stream)
    call("cuStreamSynchronize", stream)
    call("cuGraphCreate", ctypes.byref(graph), 0)
    call("cuGraphAddEventRecordNode", ctypes.byref(node), graph, None, Size(0), event)
    call("cuGraphInstantiateWithFlags", ctypes.byref(run), graph, ctypes.c_ulonglong(0))
    call("cuEventQuery", event)
    with held(stream):
        call("cuGraphLaunch", run, stream)
        fails(NOT_READY, "cuEventQuery", event)
    assert wait_by_polling("cuEventQuery", event) == 0


def captured_events_are_asked_about() -> None:
    stream, graph, run = new_stream(), Handle(), Handle()
    inside, outside = recorded(stream), recorded(stream)
    call("cuStreamSynchronize", stream)
    call("cuStreamBeginCapture_v2", stream, RELAXED)
    call("cuEventRecord", inside, stream)
    call("cuEventRecordWithFlags", outside, stream, EXTERNAL)
    fails(CAPTURED_EVENT, "cuEventQuery", inside)
    cuda.cuStreamEndCapture(stream, ctypes.byref(graph))
    fails(CAPTURED_EVENT, "cuEventQuery", inside)
    call("cuEventRecord", inside, stream)
    assert wait_by_polling("cuEventQuery", inside) == 0
    call("cuStreamBeginCapture_v2", stream, RELAXED)
    call("cuEventRecordWithFlags", outside, stream, EXTERNAL)
    call("cuStreamEndCapture", stream, ctypes.byref(graph))
    call("cuGraphInstantiateWithFlags", ctypes.byref(run), graph, ctypes.c_ulonglong(0))
    with held(stream):
        call("cuGraphLaunch", run, stream)
        fails(NOT_READY, "cuEventQuery", outside)
    assert wait_by_polling("cuEventQuery", outside) == 0


def events_of_a_whole_context() -> None:
    stream, event = new_stream(), new_event()
    with held(stream):
        assert cuda.cuCtxRecordEvent(context, event) == 0
        other = new_stream()
        call("cuStreamSynchronize", other)
        answer = cuda.cuEventQuery(event)
    assert answer in (NOT_READY, 801)  # an emulated GPU has no such call
    call("cuCtxSynchronize")


def threads_poll_what_is_their_own() -> None:
    kernel, wrong = function("poke"), []

    def work() -> None:
        start()
        stream, memory = new_stream(), allocate(64)
        for _ in range(30):
            assert launch(kernel, 1, 1, memory, stream=stream) == 0
            event = recorded(stream)
            with held(stream):
                behind = recorded(stream)
                if cuda.cuEventQuery(behind) != NOT_READY:
                    wrong.append("behind")
                if wait_by_polling("cuEventQuery", event):
                    wrong.append("before")
            if wait_by_polling("cuEventQuery", behind) or wait_by_polling("cuStreamQuery", stream):
                wrong.append("after")
            call("cuEventDestroy_v2", event)
            call("cuEventDestroy_v2", behind)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def a_fault_ends_the_polling() -> None:
    kernel, stream = function("poke"), new_stream()
    with held(stream):
        assert launch(kernel, 1, 1, Address(16), stream=stream) == 0
        event = recorded(stream)
        fails(NOT_READY, "cuEventQuery", event)
        fails(NOT_READY, "cuStreamQuery", stream)
    assert wait_by_polling("cuEventQuery", event) == ILLEGAL_ADDRESS
    fails(ILLEGAL_ADDRESS, "cuStreamQuery", stream)
    fails(ILLEGAL_ADDRESS, "cuEventSynchronize", event)


context = start()
if len(sys.argv) > 2:
    {"pending": many_while_pending, "done": many_when_done}[sys.argv[1]](int(sys.argv[2]))
else:
    many_while_pending(1000)
    many_when_done(1000)
    a_record_makes_an_event_anew()
    one_stream_says_nothing_of_another()
    work_that_follows_counts()
    a_new_event_knows_nothing_of_the_old_one()
    graphs_record_events_too()
    captured_events_are_asked_about()
    events_of_a_whole_context()
    threads_poll_what_is_their_own()
    a_fault_ends_the_polling()
print("ok")
