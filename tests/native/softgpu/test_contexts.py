# SPDX-License-Identifier: BSD-3-Clause
"""Events of whole contexts, stream attributes, green contexts, atomics, the log, and two devices."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.native.ptx.harness import Driver, Result, kernel, run_script

from .graphs import HOST_FN, Graphs

NOT_READY = 600
DETACHED = 917
INVALID_CONTEXT = 201
SM = 1  # CU_DEV_RESOURCE_TYPE_SM
LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)


@pytest.fixture
def graphs(gpu: Driver) -> Graphs:
    return Graphs(gpu)


def test_a_contexts_event_covers_all_its_streams_and_holds_all_back(gpu: Driver, graphs: Graphs) -> None:
    go = threading.Event()
    order: list[str] = []
    held, free, event = graphs.stream(), graphs.stream(), graphs.event()

    def wait(_: int) -> None:
        go.wait(30)
        order.append("held")

    functions = [
        HOST_FN(wait),
        HOST_FN(lambda _: order.append("free")),
        HOST_FN(lambda _: order.append("late")),
    ]
    gpu.call("cuLaunchHostFunc", held, functions[0], None)
    gpu.call("cuCtxRecordEvent", None, event)
    assert graphs.code("cuEventQuery", event) == NOT_READY
    gpu.call("cuCtxWaitEvent", None, event)
    gpu.call("cuLaunchHostFunc", free, functions[1], None)
    late = graphs.stream()
    gpu.call("cuLaunchHostFunc", late, functions[2], None)
    assert graphs.code("cuStreamQuery", free) == NOT_READY
    go.set()
    gpu.call("cuCtxSynchronize")
    assert order[0] == "held"
    assert sorted(order) == ["free", "held", "late"]
    assert graphs.code("cuEventQuery", event) == Result.SUCCESS


def test_stream_attributes_are_kept_and_copied(gpu: Driver, graphs: Graphs) -> None:
    streams = [graphs.stream(), graphs.stream()]
    value = (ctypes.c_int * 16)(3)
    gpu.call("cuStreamSetAttribute", streams[0], 3, value)
    gpu.call("cuStreamCopyAttributes", streams[1], streams[0])
    value[0] = 0
    gpu.call("cuStreamGetAttribute", streams[1], 3, value)
    assert value[0] == 3
    assert graphs.code("cuStreamGetAttribute", streams[1], 2, value) == Result.INVALID_VALUE


class Resource(ctypes.Structure):
    """CUdevResource, of multiprocessors."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("padding", ctypes.c_ubyte * 92),
        ("count", ctypes.c_uint),
        ("rest", ctypes.c_ubyte * 36),
        ("next", ctypes.c_void_p),
    )


def test_a_green_context_runs_streams_on_its_part(gpu: Driver, graphs: Graphs) -> None:
    whole, parts, left, groups = Resource(), (Resource * 64)(), Resource(), ctypes.c_uint(1)
    gpu.call("cuDeviceGetDevResource", 0, ctypes.byref(whole), SM)
    gpu.call(
        "cuDevSmResourceSplitByCount",
        parts,
        ctypes.byref(groups),
        ctypes.byref(whole),
        ctypes.byref(left),
        0,
        1,
    )
    assert (groups.value, parts[0].count, left.count) == (1, 1, whole.count - 1)
    forged, description = Resource(SM, count=1), ctypes.c_void_p()
    refused = graphs.code("cuDevResourceGenerateDesc", ctypes.byref(description), ctypes.byref(forged), 1)
    assert refused == Result.INVALID_VALUE
    gpu.call("cuDevResourceGenerateDesc", ctypes.byref(description), ctypes.byref(parts[0]), 1)
    green = graphs.made("cuGreenCtxCreate", description, 0, 1)
    stream = graphs.made("cuGreenCtxStreamCreate", green, 1, 0)
    seen, context, primary = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    gpu.call("cuCtxGetCurrent", ctypes.byref(primary))
    gpu.call("cuStreamGetCtx_v2", stream, ctypes.byref(context), ctypes.byref(seen))
    assert (context.value, seen.value) == (primary.value, green.value)
    gpu.call("cuStreamGetDevResource", stream, ctypes.byref(left), SM)
    assert left.count == 1
    buffer = gpu.zeros(1, np.uint32)
    module = gpu.load(kernel("ld.param.u64 %l0, [out]; mov.u32 %r0, 7; st.global.u32 [%l0], %r0;"))
    graphs.launch(module.function("test"), stream, buffer.address)
    event = graphs.event()
    gpu.call("cuGreenCtxRecordEvent", green, event)
    gpu.call("cuEventSynchronize", event)
    assert buffer.get(np.uint32)[0] == 7
    gpu.call("cuCtxFromGreenCtx", ctypes.byref(context), green)
    gpu.call("cuCtxPushCurrent_v2", context)
    inside = graphs.stream()
    for of in (inside, None):
        gpu.call("cuStreamGetGreenCtx", of, ctypes.byref(seen))
        assert seen.value == green.value
    gpu.call("cuCtxGetDevResource", None, ctypes.byref(left), SM)
    assert left.count == 1
    gpu.call("cuCtxPopCurrent_v2", ctypes.byref(seen))
    assert seen.value == context.value
    gpu.call("cuGreenCtxDestroy", green)
    for of in (stream, inside):
        assert graphs.code("cuStreamQuery", of) == DETACHED
        gpu.call("cuStreamDestroy_v2", of)
    assert graphs.code("cuCtxSetCurrent", context) == INVALID_CONTEXT


def test_atomics_work_on_host_memory(gpu: Driver) -> None:
    operations, found = (ctypes.c_int * 2)(0, 11), (ctypes.c_uint * 2)(1, 1)
    gpu.call("cuDeviceGetHostAtomicCapabilities", found, operations, 2, 0)
    assert found[0] & 0b11000
    assert found[1] == 0


def test_a_kernels_fault_is_told_in_the_log(gpu: Driver, graphs: Graphs, tmp_path: Path) -> None:
    heard: list[str] = []
    listen = LOG_CALLBACK(
        lambda _data, _level, text, size: heard.append(ctypes.string_at(text, size).decode())
    )
    place, callback = ctypes.c_uint(), ctypes.c_void_p()
    gpu.call("cuLogsCurrent", ctypes.byref(place), 0)
    gpu.call("cuLogsRegisterCallback", listen, None, ctypes.byref(callback))
    with gpu.throwaway_context():
        module = gpu.load(kernel("ld.param.u64 %l0, [out]; st.global.u32 [%l0], 1;"))
        gpu.launch(module.function("test"), 1, 1, [np.uint64(0xDEAD0000)], wait=False)
        assert graphs.code("cuCtxSynchronize") == Result.ILLEGAL_ADDRESS
    gpu.call("cuLogsUnregisterCallback", callback)
    text, size = ctypes.create_string_buffer(4096), ctypes.c_size_t(4096)
    gpu.call("cuLogsDumpToFile", ctypes.byref(ctypes.c_uint(place.value)), str(tmp_path / "log").encode(), 0)
    gpu.call("cuLogsDumpToMemory", ctypes.byref(place), text, ctypes.byref(size), 0)
    assert len(heard) == 1
    assert heard[0] in text.value.decode()
    assert (tmp_path / "log").read_text() == text.value.decode()


def test_copies_and_kernels_reach_the_other_device(
    driver_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTGPU_DEVICES", "2")
    done = run_script(driver_library, """
        import ctypes
        other, address = ctypes.c_void_p(), ctypes.c_uint64()
        here = driver.upload(np.arange(8, dtype=np.uint32))
        driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(other), 1)
        driver.call("cuCtxPushCurrent_v2", other)
        driver.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(32))
        driver.call("cuCtxPopCurrent_v2", None)
        own = driver.context.handle
        size = ctypes.c_size_t(32)
        driver.call("cuMemcpyPeer", address, other, ctypes.c_uint64(here.address), own, size)
        back = driver.zeros(8, np.uint32)
        driver.call("cuMemcpyPeerAsync", ctypes.c_uint64(back.address), own, address, other, size, None)
        driver.synchronize()
        assert list(back.get(np.uint32)) == list(range(8))
        driver.call("cuCtxEnablePeerAccess", other, 0)
        text = kernel("ld.param.u64 %l0, [out]; ld.global.u32 %r0, [%l0+4]; st.global.u32 [%l0], %r0;")
        driver.run(text, 1, 1, [np.uint64(address.value)])
        driver.call("cuMemcpyDtoD_v2", ctypes.c_uint64(back.address), address, size)
        assert list(back.get(np.uint32)) == [1, 1, 2, 3, 4, 5, 6, 7]
        driver.call("cuCtxDisablePeerAccess", other)
        try:
            driver.run(text, 1, 1, [np.uint64(address.value)])
        except CudaError as error:
            assert error.code == Result.ILLEGAL_ADDRESS
        else:
            raise AssertionError("reached without peer access")
        """)  # fmt: skip
    assert done.returncode == 0, done.stderr
