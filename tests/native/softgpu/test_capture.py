# SPDX-License-Identifier: BSD-3-Clause
"""Stream capture: what becomes which node, forks and joins, and what may not happen meanwhile."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

from tests.native.ptx.harness import Driver, Module, Result, kernel

from .graphs import GLOBAL, HOST_FN, RELAXED, THREAD_LOCAL, Graphs

ILLEGAL_STATE = 401
UNSUPPORTED, INVALIDATED, MERGE, UNMATCHED, UNJOINED, ISOLATION, IMPLICIT, CAPTURED_EVENT, WRONG_THREAD = (
    range(900, 909)
)
KERNEL, MEMCPY, MEMSET, HOST, CHILD, EMPTY, WAIT, RECORD, ALLOC, FREE, MEM_OP = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    10,
    11,
    12,
)
ADD_ONE = kernel(
    "ld.param.u64 %l0, [out]; ld.global.u32 %r0, [%l0]; add.u32 %r0, %r0, 1; st.global.u32 [%l0], %r0;"
)


@pytest.fixture
def graphs(gpu: Driver) -> Graphs:
    return Graphs(gpu)


@pytest.fixture
def add_one(gpu: Driver) -> Module:
    return gpu.load(ADD_ONE)


def test_captured_work_runs_only_when_launched_and_as_often(
    gpu: Driver, graphs: Graphs, add_one: Module
) -> None:
    stream, buffer = graphs.stream(), gpu.zeros(1, np.uint32)
    calls: list[int] = []
    host = HOST_FN(calls.append)
    graphs.begin(stream)
    assert graphs.capture_status(stream) == 1
    gpu.call("cuMemsetD32Async", ctypes.c_uint64(buffer.address), 5, ctypes.c_size_t(1), stream)
    graphs.launch(add_one.function("test"), stream, buffer.address)
    gpu.call("cuLaunchHostFunc", stream, host, ctypes.c_void_p(7))
    graphs.launch(add_one.function("test"), stream, buffer.address)
    graph = graphs.end(stream)
    assert graphs.capture_status(stream) == 0
    assert graphs.types(graph) == [MEMSET, KERNEL, HOST, KERNEL]
    assert graphs.edge_count(graph) == 3
    execution = graphs.instantiate(graph)
    gpu.call("cuStreamSynchronize", stream)
    assert buffer.get(np.uint32)[0] == 0
    for _ in range(3):
        graphs.run(execution, stream)
    assert buffer.get(np.uint32)[0] == 7
    assert calls == [7, 7, 7]
    gpu.call("cuGraphExecDestroy", execution)
    gpu.call("cuGraphDestroy", graph)


def test_a_fork_through_an_event_is_joined_by_another(gpu: Driver, graphs: Graphs, add_one: Module) -> None:
    first, second = graphs.stream(), graphs.stream()
    fork, joined = graphs.event(), graphs.event()
    buffers = [gpu.zeros(1, np.uint32), gpu.zeros(1, np.uint32)]
    graphs.begin(first)
    graphs.launch(add_one.function("test"), first, buffers[0].address)
    gpu.call("cuEventRecord", fork, first)
    gpu.call("cuStreamWaitEvent", second, fork, 0)
    assert graphs.capture_status(second) == 1
    graphs.launch(add_one.function("test"), second, buffers[1].address)
    gpu.call("cuEventRecord", joined, second)
    gpu.call("cuStreamWaitEvent", first, joined, 0)
    graph = graphs.end(first)
    assert graphs.capture_status(second) == 0
    assert graphs.types(graph) == [KERNEL, KERNEL]
    assert graphs.edge_count(graph) == 1
    assert graphs.code("cuEventQuery", joined) == CAPTURED_EVENT
    graphs.run(graphs.instantiate(graph), first)
    assert [buffer.get(np.uint32)[0] for buffer in buffers] == [1, 1]


def test_a_forked_stream_may_be_destroyed_once_it_is_joined(
    gpu: Driver, graphs: Graphs, add_one: Module
) -> None:
    first, fork, joined = graphs.stream(), graphs.event(), graphs.event()
    buffer, graph = gpu.zeros(1, np.uint32), ctypes.c_void_p()
    for is_joined in (True, False):
        second = graphs.stream()
        graphs.begin(first)
        gpu.call("cuEventRecord", fork, first)
        gpu.call("cuStreamWaitEvent", second, fork, 0)
        graphs.launch(add_one.function("test"), second, buffer.address)
        gpu.call("cuEventRecord", joined, second)
        if is_joined:
            gpu.call("cuStreamWaitEvent", first, joined, 0)
        gpu.call("cuStreamDestroy_v2", second)
        ended = graphs.code("cuStreamEndCapture", first, ctypes.byref(graph))
        assert ended == (Result.SUCCESS if is_joined else UNJOINED)


def test_a_fork_that_is_not_joined_fails_the_capture(gpu: Driver, graphs: Graphs, add_one: Module) -> None:
    first, second, fork = graphs.stream(), graphs.stream(), graphs.event()
    buffer = gpu.zeros(1, np.uint32)
    graphs.begin(first)
    gpu.call("cuEventRecord", fork, first)
    gpu.call("cuStreamWaitEvent", second, fork, 0)
    graphs.launch(add_one.function("test"), second, buffer.address)
    graph = ctypes.c_void_p(1)
    assert graphs.code("cuStreamEndCapture", second, ctypes.byref(graph)) == UNMATCHED
    assert graphs.code("cuStreamEndCapture", first, ctypes.byref(graph)) == UNJOINED
    assert graph.value is None
    assert graphs.capture_status(first) == graphs.capture_status(second) == 0


def test_what_a_capture_cannot_hold_invalidates_it(gpu: Driver, graphs: Graphs) -> None:
    stream, graph = graphs.stream(), ctypes.c_void_p()
    for call in ("cuStreamSynchronize", "cuStreamQuery"):
        graphs.begin(stream, RELAXED)
        assert graphs.code(call, stream) == UNSUPPORTED
        assert graphs.capture_status(stream) == 2
        more = graphs.code("cuMemsetD8Async", ctypes.c_uint64(1), 0, ctypes.c_size_t(0), stream)
        assert more == INVALIDATED
        assert graphs.code("cuStreamEndCapture", stream, ctypes.byref(graph)) == INVALIDATED
    assert graphs.code("cuStreamBeginCapture_v2", None, GLOBAL) == UNSUPPORTED
    assert graphs.code("cuStreamEndCapture", stream, ctypes.byref(graph)) == ILLEGAL_STATE
    graphs.begin(stream)
    assert graphs.code("cuStreamBeginCapture_v2", stream, GLOBAL) == ILLEGAL_STATE
    graphs.end(stream)


def test_the_legacy_stream_does_not_wait_for_a_capture(gpu: Driver, graphs: Graphs) -> None:
    blocking, graph, status = graphs.stream(0), ctypes.c_void_p(), ctypes.c_int()
    buffer = gpu.zeros(1, np.uint32)
    graphs.begin(blocking, RELAXED)
    assert graphs.code("cuStreamIsCapturing", None, ctypes.byref(status)) == IMPLICIT
    assert graphs.capture_status(blocking) == 1
    set_word = ("cuMemsetD32_v2", ctypes.c_uint64(buffer.address), 1, ctypes.c_size_t(1))
    assert graphs.code(*set_word) == IMPLICIT
    assert graphs.code("cuStreamEndCapture", blocking, ctypes.byref(graph)) == INVALIDATED
    free = graphs.stream()
    graphs.begin(free, RELAXED)
    assert graphs.code(*set_word) == Result.SUCCESS
    graphs.end(free)


def test_events_of_other_work_and_other_captures_are_refused(gpu: Driver, graphs: Graphs) -> None:
    first, second, graph = graphs.stream(), graphs.stream(), ctypes.c_void_p()
    outside, inside = graphs.event(), graphs.event()
    gpu.call("cuEventRecord", outside, first)
    graphs.begin(first)
    assert graphs.code("cuStreamWaitEvent", first, outside, 0) == ISOLATION
    assert graphs.code("cuStreamEndCapture", first, ctypes.byref(graph)) == INVALIDATED
    graphs.begin(first)
    graphs.begin(second)
    gpu.call("cuEventRecord", inside, first)
    assert graphs.code("cuStreamWaitEvent", second, inside, 0) == MERGE
    for stream in (first, second):
        assert graphs.code("cuStreamEndCapture", stream, ctypes.byref(graph)) == INVALIDATED


def in_thread(call: object) -> object:
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(call()))  # type: ignore[operator]
    thread.start()
    thread.join(30)
    return result[0]


@pytest.mark.parametrize(
    ("mode", "here", "there"),
    [(GLOBAL, UNSUPPORTED, UNSUPPORTED), (THREAD_LOCAL, UNSUPPORTED, 0), (RELAXED, 0, 0)],
)
def test_unsafe_calls_are_refused_as_the_mode_says(
    gpu: Driver, graphs: Graphs, mode: int, here: int, there: int
) -> None:
    stream, graph = graphs.stream(), ctypes.c_void_p()

    def allocate() -> int:
        gpu.call("cuCtxSetCurrent", gpu.context.handle)
        address = ctypes.c_uint64()
        code = graphs.code("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(16))
        if code == Result.SUCCESS:
            relaxed = ctypes.c_int(RELAXED)
            gpu.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(relaxed))
            gpu.call("cuMemFree_v2", ctypes.c_uint64(address.value))
            gpu.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(relaxed))
        return code

    for elsewhere, expected in ((False, here), (True, there)):
        graphs.begin(stream, mode)
        assert (in_thread(allocate) if elsewhere else allocate()) == expected
        ended = graphs.code("cuStreamEndCapture", stream, ctypes.byref(graph))
        assert ended == (INVALIDATED if expected else Result.SUCCESS)
    mode_of_thread = ctypes.c_int(RELAXED)
    gpu.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode_of_thread))
    assert mode_of_thread.value == GLOBAL
    graphs.begin(stream, mode)
    assert allocate() == Result.SUCCESS
    gpu.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode_of_thread))
    assert mode_of_thread.value == RELAXED
    graphs.end(stream)


def test_a_capture_is_ended_where_it_was_begun(gpu: Driver, graphs: Graphs) -> None:
    stream, graph = graphs.stream(), ctypes.c_void_p()

    def end() -> int:
        gpu.call("cuCtxSetCurrent", gpu.context.handle)
        return graphs.code("cuStreamEndCapture", stream, ctypes.byref(graph))

    graphs.begin(stream)
    assert in_thread(end) == WRONG_THREAD
    graphs.end(stream)
    graphs.begin(stream, RELAXED)
    assert in_thread(end) == Result.SUCCESS


def test_capture_into_a_graph_with_its_dependencies_shown_and_changed(gpu: Driver, graphs: Graphs) -> None:
    stream, graph = graphs.stream(), graphs.graph()
    root = graphs.add("EmptyNode", graph, [])
    gpu.call(
        "cuStreamBeginCaptureToGraph", stream, graph, ctypes.byref(root), None, ctypes.c_size_t(1), GLOBAL
    )
    status, number = ctypes.c_int(), ctypes.c_uint64()
    shown, count, of = ctypes.POINTER(ctypes.c_void_p)(), ctypes.c_size_t(), ctypes.c_void_p()

    def info() -> list[int | None]:
        gpu.call("cuStreamGetCaptureInfo_v2", stream, ctypes.byref(status), ctypes.byref(number),
                 ctypes.byref(of), ctypes.byref(shown), ctypes.byref(count))  # fmt: skip
        return [shown[i] for i in range(count.value)]

    assert info() == [root.value]
    assert of.value == graph.value
    assert number.value > 0
    other = graphs.add("EmptyNode", graph, [])
    gpu.call("cuStreamUpdateCaptureDependencies", stream, ctypes.byref(other), ctypes.c_size_t(1), 0)
    assert info() == [root.value, other.value]
    gpu.call("cuStreamUpdateCaptureDependencies", stream, ctypes.byref(other), ctypes.c_size_t(1), 1)
    assert info() == [other.value]
    gpu.call("cuLaunchHostFunc", stream, HOST_FN(lambda _: None), None)
    assert graphs.end(stream).value == graph.value
    assert graphs.types(graph) == [EMPTY, EMPTY, HOST]
    assert graphs.edge_count(graph) == 1


def test_other_work_becomes_its_kind_of_node(gpu: Driver, graphs: Graphs) -> None:
    stream, event = graphs.stream(), graphs.event()
    buffer, host = gpu.zeros(2, np.uint32), np.array([3, 4], np.uint32)
    inner = graphs.instantiate(graphs.graph())
    address = ctypes.c_uint64()
    graphs.begin(stream)
    gpu.call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(buffer.address), host.ctypes.data_as(ctypes.c_void_p),
             ctypes.c_size_t(8), stream)  # fmt: skip
    gpu.call("cuGraphLaunch", inner, stream)
    gpu.call("cuEventRecordWithFlags", event, stream, 1)
    gpu.call("cuStreamWaitEvent", stream, event, 1)
    gpu.call("cuStreamWriteValue32_v2", stream, ctypes.c_uint64(buffer.address), 9, 0)
    gpu.call("cuMemAllocAsync", ctypes.byref(address), ctypes.c_size_t(64), stream)
    gpu.call("cuMemsetD8Async", ctypes.c_uint64(address.value), 1, ctypes.c_size_t(64), stream)
    gpu.call("cuMemFreeAsync", ctypes.c_uint64(address.value), stream)
    graph = graphs.end(stream)
    assert graphs.types(graph) == [MEMCPY, CHILD, RECORD, WAIT, MEM_OP, ALLOC, MEMSET, FREE]
    execution = graphs.instantiate(graph)
    host[1] = 5
    for _ in range(2):
        graphs.run(execution, stream)
    assert list(buffer.get(np.uint32)) == [9, 5]
    assert graphs.code("cuEventQuery", event) == Result.SUCCESS
