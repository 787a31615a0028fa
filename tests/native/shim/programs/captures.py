# SPDX-License-Identifier: BSD-3-Clause
"""Streams that capture: each mode, several streams, copies, functions and memory of the graph's own."""

from __future__ import annotations

import ctypes
import threading
from ctypes import byref, c_uint64, c_void_p

from driver import PTX, Address, Handle, Size, allocate, call, cuda, fails, start
from graph_tools import (
    ACTIVE,
    CAPTURE_INVALIDATED,
    CAPTURE_UNSUPPORTED,
    GLOBAL,
    INVALIDATED,
    KERNEL,
    MEMCPY,
    NONE,
    RELAXED,
    THREAD_LOCAL,
    WRONG_THREAD,
    Add,
    HostFunction,
    begin,
    end,
    event,
    graph,
    instantiate,
    nodes_of,
    numbers,
    run,
    status,
    stream,
    type_of,
)

N = 256


def clear(address: Address, on: Handle) -> None:
    call("cuMemsetD32Async", address, 0, Size(N), on)


def each_mode() -> None:
    memory, on = allocate(4 * N), stream()
    add = Add(memory, 2, N)
    for mode in (GLOBAL, THREAD_LOCAL, RELAXED):
        assert status(on) == NONE
        begin(on, mode)
        assert status(on) == ACTIVE
        clear(memory, on)
        add.launch(on)
        add.launch(on)
        captured = end(on)
        assert status(on) == NONE
        assert numbers(memory, N) != [4] * N, "a capture runs nothing"
        assert [type_of(n) for n in nodes_of(captured)].count(KERNEL) == 2
        executable = instantiate(captured)
        for _ in range(2):
            run(executable, on)
            assert numbers(memory, N) == [4] * N
        call("cuGraphExecDestroy", executable)
        call("cuGraphDestroy", captured)
        call("cuMemsetD32_v2", memory, 0, Size(N))


def fork_and_join() -> None:
    memory, on, other = allocate(4 * N), stream(), stream()
    forked, joined = event(), event()
    add = Add(memory, 3, N)
    begin(on)
    clear(memory, on)
    call("cuEventRecord", forked, on)
    call("cuStreamWaitEvent", other, forked, 0)
    assert status(other) == ACTIVE
    add.launch(other)
    call("cuEventRecord", joined, other)
    call("cuStreamWaitEvent", on, joined, 0)
    add.launch(on)
    info_knows_the_graph(on)
    captured = end(on)
    assert status(other) == NONE
    run(instantiate(captured), on)
    assert numbers(memory, N) == [6] * N
    begin(on)
    call("cuEventRecord", forked, on)
    call("cuStreamWaitEvent", other, forked, 0)
    add.launch(other)
    fails(904, "cuStreamEndCapture", on, byref(Handle()))
    assert status(on) == NONE


def info_knows_the_graph(on: Handle) -> None:
    state, number, captured = ctypes.c_int(), c_uint64(), Handle()
    nodes, count = ctypes.POINTER(c_void_p)(), Size()
    call(
        "cuStreamGetCaptureInfo_v2",
        on,
        byref(state),
        byref(number),
        byref(captured),
        byref(nodes),
        byref(count),
    )
    assert (state.value, count.value) == (ACTIVE, 1)
    assert number.value != 0
    assert nodes[0] in {n.value for n in nodes_of(captured)}
    assert type_of(Handle(nodes[0])) == KERNEL


def copies() -> None:
    memory, on = allocate(4 * N), stream()
    source, target = ctypes.create_string_buffer(4 * N), ctypes.create_string_buffer(4 * N)
    begin(on)
    call("cuMemcpyHtoDAsync_v2", memory, source, Size(4 * N), on)
    Add(memory, 1, N).launch(on)
    call("cuMemcpyDtoHAsync_v2", target, memory, Size(4 * N), on)
    captured = end(on)
    assert [type_of(n) for n in nodes_of(captured)].count(MEMCPY) == 2
    executable = instantiate(captured)
    call("cuGraphDestroy", captured)
    for value in (5, 6, 7):
        source[:] = value.to_bytes(4, "little") * N
        run(executable, on)
        assert target.raw == (value + 1).to_bytes(4, "little") * N
    # Launched into another capture it is a part of that graph.
    begin(on)
    call("cuGraphLaunch", executable, on)
    outer = end(on)
    call("cuGraphExecDestroy", executable)
    source[:] = b"\x30\0\0\0" * N
    run(instantiate(outer), on)
    assert target.raw == b"\x31\0\0\0" * N


def host_functions() -> None:
    memory, on = allocate(4 * N), stream()
    target, seen = ctypes.create_string_buffer(4 * N), []
    function = HostFunction(lambda _data: seen.append(target.raw))
    add = Add(memory, 1, N)
    begin(on)
    add.launch(on)
    call("cuMemcpyDtoHAsync_v2", target, memory, Size(4 * N), on)
    call("cuLaunchHostFunc", on, function, None)
    executable = instantiate(end(on))
    call("cuMemsetD32_v2", memory, 0, Size(N))
    for _ in range(3):
        run(executable, on)
    assert seen == [value.to_bytes(4, "little") * N for value in (1, 2, 3)]


def memory_of_the_graph() -> None:
    on, memory = stream(), Address()
    target = ctypes.create_string_buffer(4 * N)
    begin(on)
    call("cuMemAllocAsync", byref(memory), Size(4 * N), on)
    clear(memory, on)
    Add(memory, 9, N).launch(on)
    call("cuMemcpyDtoHAsync_v2", target, memory, Size(4 * N), on)
    call("cuMemFreeAsync", memory, on)
    executable = instantiate(end(on))
    for _ in range(2):
        run(executable, on)
        assert target.raw == b"\x09\0\0\0" * N


def unsafe_calls() -> None:
    on, memory = stream(), allocate(64)
    for mode in (GLOBAL, THREAD_LOCAL):
        begin(on, mode)
        fails(CAPTURE_UNSUPPORTED, "cuMemAlloc_v2", byref(Address()), Size(64))
        assert status(on) == INVALIDATED
        fails(CAPTURE_INVALIDATED, "cuStreamEndCapture", on, byref(Handle()))
    results: list[int] = []

    def elsewhere() -> None:
        call("cuCtxSetCurrent", context)
        results.append(cuda.cuMemFree_v2(allocate_or_fail(results)))

    def in_thread() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    begin(on, THREAD_LOCAL)
    in_thread()
    assert results == [0, 0]
    end(on)
    begin(on, GLOBAL)
    mine = ctypes.c_int(RELAXED)
    call("cuThreadExchangeStreamCaptureMode", byref(mine))
    assert mine.value == GLOBAL
    call("cuMemFree_v2", memory)
    call("cuThreadExchangeStreamCaptureMode", byref(mine))
    wrong: list[int] = []
    thread = threading.Thread(target=lambda: wrong.append(cuda.cuStreamEndCapture(on, byref(Handle()))))
    thread.start()
    thread.join()
    assert wrong == [WRONG_THREAD]
    end(on)


def unsafe_calls_of_other_threads() -> None:
    on, done = stream(), event()
    call("cuEventRecord", done, None)
    call("cuEventSynchronize", done)
    calls = [("cuEventQuery", done), ("cuEventSynchronize", done), ("cuModuleLoadData", byref(Handle()), PTX)]
    for mode in (GLOBAL, THREAD_LOCAL, RELAXED):
        for theirs in (GLOBAL, THREAD_LOCAL, RELAXED):
            for name, *arguments in calls:
                begin(on, mode)
                result = elsewhere_in(theirs, name, *arguments)
                forbidden = mode == theirs == GLOBAL
                assert result == (CAPTURE_UNSUPPORTED if forbidden else 0), (mode, theirs, name, result)
                assert status(on) == (INVALIDATED if forbidden else ACTIVE)
                if forbidden:
                    fails(CAPTURE_INVALIDATED, "cuStreamEndCapture", on, byref(Handle()))
                else:
                    end(on)
    # In its own thread any but a relaxed capture forbids them.
    for mode in (GLOBAL, THREAD_LOCAL):
        begin(on, mode)
        fails(CAPTURE_UNSUPPORTED, "cuEventQuery", done)
        fails(CAPTURE_INVALIDATED, "cuStreamEndCapture", on, byref(Handle()))


def elsewhere_in(mode: int, name: str, *arguments: object) -> int:
    """What the call answers in a thread of its own, in this capture mode."""
    results: list[int] = []

    def run_there() -> None:
        call("cuCtxSetCurrent", context)
        call("cuThreadExchangeStreamCaptureMode", byref(ctypes.c_int(mode)))
        results.append(getattr(cuda, name)(*arguments))

    thread = threading.Thread(target=run_there)
    thread.start()
    thread.join()
    return results[0]


def allocate_or_fail(results: list[int]) -> Address:
    address = Address()
    results.append(cuda.cuMemAlloc_v2(byref(address), Size(64)))
    return address


def into_a_graph() -> None:
    memory, on, whole = allocate(4 * N), stream(), graph()
    add = Add(memory, 4, N)
    call("cuStreamBeginCaptureToGraph", on, whole, None, None, Size(0), RELAXED)
    clear(memory, on)
    captured = end(on)
    assert captured.value == whole.value
    first = nodes_of(whole)
    call("cuStreamBeginCaptureToGraph", on, whole, (c_void_p * 1)(first[0].value), None, Size(1), RELAXED)
    add.launch(on)
    end(on)
    run(instantiate(whole), on)
    assert numbers(memory, N) == [4] * N


def ends_of_streams() -> None:
    """A stream that ends while it captures leaves nothing that forbids calls."""
    on = stream()
    begin(on, GLOBAL)
    call("cuStreamDestroy_v2", on)
    allocate(64)
    fails(1, "cuGraphDestroy", Handle(on.value))
    plain = ctypes.c_int(-1)
    call("cuStreamIsCapturing", None, byref(plain))
    assert plain.value == NONE


def many_launches() -> None:
    memory, on = allocate(4 * N), stream()
    begin(on)
    Add(memory, 1, N).launch(on)
    executable = instantiate(end(on))
    call("cuMemsetD32_v2", memory, 0, Size(N))
    for _ in range(500):
        call("cuGraphLaunch", executable, on)
    call("cuStreamSynchronize", on)
    assert numbers(memory, N) == [500] * N


context = start()
each_mode()
fork_and_join()
copies()
host_functions()
memory_of_the_graph()
unsafe_calls()
unsafe_calls_of_other_threads()
into_a_graph()
ends_of_streams()
many_launches()
print("ok")
