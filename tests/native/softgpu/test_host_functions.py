# SPDX-License-Identifier: BSD-3-Clause
"""Host functions and stream callbacks: on a driver thread, in stream order, and after a failure."""

from __future__ import annotations

import ctypes
import threading

from tests.native.ptx.harness import Driver, Result, kernel

HOST_FN = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
NON_BLOCKING = 1
STORE = kernel("ld.param.u64 %l0, [out]; mov.u32 %r0, 7; st.global.u32 [%l0], %r0;")


def new_stream(gpu: Driver) -> ctypes.c_void_p:
    stream = ctypes.c_void_p()
    gpu.call("cuStreamCreate", ctypes.byref(stream), NON_BLOCKING)
    return stream


def test_a_host_function_runs_on_a_thread_of_the_driver_in_stream_order(gpu: Driver) -> None:
    stream, seen = new_stream(gpu), []
    buffer = gpu.alloc(4)
    host = ctypes.c_void_p()
    gpu.call("cuMemHostAlloc", ctypes.byref(host), ctypes.c_size_t(4), 0)
    word = ctypes.cast(host, ctypes.POINTER(ctypes.c_uint32))

    def look(data: int) -> None:
        seen.append((data, word[0], threading.get_native_id()))

    called = HOST_FN(look)
    for i in range(5):
        gpu.call("cuMemsetD32Async", ctypes.c_uint64(buffer.address), i + 10, ctypes.c_size_t(1), stream)
        gpu.call("cuMemcpyDtoHAsync_v2", host, ctypes.c_uint64(buffer.address), ctypes.c_size_t(4), stream)
        gpu.call("cuLaunchHostFunc", stream, called, ctypes.c_void_p(i + 1))
    gpu.call("cuStreamSynchronize", stream)
    assert [entry[:2] for entry in seen] == [(i + 1, i + 10) for i in range(5)]
    assert all(thread != threading.get_native_id() for _, _, thread in seen)
    gpu.call("cuMemFreeHost", host)
    gpu.call("cuStreamDestroy_v2", stream)


def test_host_functions_of_two_streams_may_wait_for_each_other(gpu: Driver) -> None:
    streams = [new_stream(gpu), new_stream(gpu)]
    meeting = threading.Barrier(2, timeout=30)
    met: list[int] = []

    def meet(_: int) -> None:
        met.append(meeting.wait())

    called = HOST_FN(meet)
    for stream in streams:
        gpu.call("cuLaunchHostFunc", stream, called, None)
    for stream in streams:
        gpu.call("cuStreamSynchronize", stream)
        gpu.call("cuStreamDestroy_v2", stream)
    assert sorted(met) == [0, 1]


def test_a_callback_learns_its_stream_and_that_all_is_well(gpu: Driver) -> None:
    stream, seen = new_stream(gpu), []
    told = CALLBACK(lambda stream, status, data: seen.append((stream, status, data)))
    gpu.call("cuStreamAddCallback", stream, told, ctypes.c_void_p(42), 0)
    gpu.call("cuStreamSynchronize", stream)
    assert seen == [(stream.value, Result.SUCCESS, 42)]
    gpu.call("cuStreamDestroy_v2", stream)


def test_in_a_failed_context_callbacks_are_told_and_host_functions_are_not_called(gpu: Driver) -> None:
    with gpu.throwaway_context():
        stream = new_stream(gpu)
        called: list[int] = []
        statuses: list[int] = []
        go = threading.Event()
        hold = HOST_FN(lambda _: go.wait(30))
        never = HOST_FN(called.append)
        ended = threading.Event()

        def tell(_stream: int, status: int, _data: int) -> None:
            statuses.append(status)
            ended.set()

        told = CALLBACK(tell)
        gpu.call("cuLaunchHostFunc", stream, hold, None)
        module = gpu.load(STORE)
        cells = (ctypes.c_uint64(0xDEAD0000),)
        params = (ctypes.c_void_p * 1)(ctypes.addressof(cells[0]))
        gpu.call("cuLaunchKernel", module.function("test"), 1, 1, 1, 1, 1, 1, 0, stream, params, None)
        gpu.call("cuLaunchHostFunc", stream, never, None)
        gpu.call("cuStreamAddCallback", stream, told, None, 0)
        go.set()
        assert gpu.lib.cuStreamSynchronize(stream) == Result.ILLEGAL_ADDRESS
        assert ended.wait(30)
        assert called == []
        assert statuses == [Result.ILLEGAL_ADDRESS]


def test_a_null_function_is_refused(gpu: Driver) -> None:
    assert gpu.lib.cuLaunchHostFunc(None, None, None) == Result.INVALID_VALUE
    assert gpu.lib.cuStreamAddCallback(None, None, None, 0) == Result.INVALID_VALUE
