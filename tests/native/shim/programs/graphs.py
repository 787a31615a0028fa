# SPDX-License-Identifier: BSD-3-Clause
"""Graphs that are built node by node, changed, cloned and launched."""

from __future__ import annotations

import ctypes
import tempfile
from ctypes import byref, c_uint, c_uint64
from pathlib import Path

from driver import Address, Handle, Size, allocate, call, download, fails, free_bytes, held, start, upload
from graph_tools import (
    ALLOC,
    CHILD,
    EMPTY,
    FREE,
    INVALID_VALUE,
    KERNEL,
    MEMSET,
    Add,
    AllocParams,
    Copy,
    HostFunction,
    HostParams,
    KernelParams,
    MemsetParams,
    event,
    fill,
    graph,
    instantiate,
    made,
    node,
    nodes_of,
    numbers,
    run,
    stream,
    to_device,
    to_host,
    type_of,
)

N = 256


def kernels_and_fills() -> None:
    memory, on, whole = allocate(4 * N), stream(), graph()
    add = Add(memory, 5, N)
    first = node("Memset", whole, (), byref(fill(memory, 7, N)), context)
    middle = node("Empty", whole, (first,))
    last = made(
        "cuGraphAddKernelNode_v2", whole, (ctypes.c_void_p * 1)(middle.value), Size(1), byref(add.params())
    )
    executable = instantiate(whole)
    for _ in range(3):
        run(executable, on)
        assert numbers(memory, N) == [12] * N
    assert [type_of(n) for n in (first, middle, last)] == [MEMSET, EMPTY, KERNEL]
    assert {n.value for n in nodes_of(whole)} == {first.value, middle.value, last.value}
    assert [n.value for n in nodes_of(whole, "cuGraphGetRootNodes")] == [first.value]
    parameters_come_back(last, first, add, memory)
    changes(whole, executable, last, add, memory, on)
    edges(whole, first, middle, last)
    call("cuGraphExecDestroy", executable)
    call("cuGraphDestroy", whole)
    fails(INVALID_VALUE, "cuGraphLaunch", executable, on)
    fails(INVALID_VALUE, "cuGraphNodeGetType", last, byref(c_uint()))


def parameters_come_back(kernel: Handle, memset: Handle, add: Add, memory: Address) -> None:
    shown = KernelParams()
    call("cuGraphKernelNodeGetParams_v2", kernel, byref(shown))
    assert shown.function == add.function.value
    assert tuple(shown.block) == (128, 1, 1)
    pointers = ctypes.cast(shown.params, ctypes.POINTER(ctypes.c_void_p))
    assert c_uint64.from_address(pointers[0]).value == memory.value
    assert c_uint.from_address(pointers[1]).value == 5
    filled = MemsetParams()
    call("cuGraphMemsetNodeGetParams", memset, byref(filled))
    assert (filled.address, filled.value, filled.width) == (memory.value, 7, N)


def changes(whole: Handle, executable: Handle, kernel: Handle, add: Add, memory: Address, on: Handle) -> None:
    call("cuGraphExecKernelNodeSetParams_v2", executable, kernel, byref(add.params(value=6)))
    run(executable, on)
    assert numbers(memory, N) == [13] * N
    call("cuGraphKernelNodeSetParams_v2", kernel, byref(add.params(value=8)))
    information = (ctypes.c_uint64 * 3)()
    call("cuGraphExecUpdate_v2", executable, whole, information)
    assert information[0] & 0xFFFFFFFF == 0
    run(executable, on)
    assert numbers(memory, N) == [15] * N
    call("cuGraphNodeSetEnabled", executable, kernel, 0)
    run(executable, on)
    assert numbers(memory, N) == [7] * N
    enabled = c_uint(9)
    call("cuGraphNodeGetEnabled", executable, kernel, byref(enabled))
    assert enabled.value == 0


def edges(whole: Handle, first: Handle, middle: Handle, last: Handle) -> None:
    count = Size()
    call("cuGraphGetEdges", whole, None, None, byref(count))
    assert count.value == 2
    sources, targets = (ctypes.c_void_p * 2)(), (ctypes.c_void_p * 2)()
    call("cuGraphGetEdges", whole, sources, targets, byref(count))
    assert set(zip(sources, targets, strict=True)) == {
        (first.value, middle.value),
        (middle.value, last.value),
    }
    found, count = (ctypes.c_void_p * 4)(), Size(4)
    call("cuGraphNodeGetDependentNodes", first, found, byref(count))
    assert (count.value, found[0]) == (1, middle.value)
    ends = ((ctypes.c_void_p * 1)(first.value), (ctypes.c_void_p * 1)(last.value))
    call("cuGraphAddDependencies", whole, *ends, Size(1))
    call("cuGraphNodeGetDependencies", last, None, byref(count))
    assert count.value == 2
    call("cuGraphRemoveDependencies", whole, *ends, Size(1))
    call("cuGraphDestroyNode", middle)
    assert len(nodes_of(whole)) == 2


def children_and_clones() -> None:
    memory, on = allocate(4 * N), stream()
    inner, outer, add = graph(), graph(), Add(memory, 1, N)
    kernel = node("Kernel", inner, (), byref(add.params()))
    first = node("Memset", outer, (), byref(fill(memory, 0, N)), context)
    child = node("ChildGraph", outer, (first,), inner)
    node("ChildGraph", outer, (child,), inner)
    assert type_of(child) == CHILD
    embedded = made_from("cuGraphChildGraphNodeGetGraph", child)
    assert embedded.value not in (inner.value, outer.value)
    assert [type_of(n) for n in nodes_of(embedded)] == [KERNEL]
    fails(INVALID_VALUE, "cuGraphDestroy", embedded)
    copy = made("cuGraphClone", outer)
    assert made("cuGraphNodeFindInClone", first, copy).value in {n.value for n in nodes_of(copy)}
    call("cuGraphDestroy", outer)
    call("cuGraphDestroy", inner)
    fails(INVALID_VALUE, "cuGraphGetNodes", embedded, None, byref(Size()))
    fails(INVALID_VALUE, "cuGraphNodeGetType", kernel, byref(c_uint()))
    run(instantiate(copy), on)
    assert numbers(memory, N) == [2] * N


def made_from(name: str, of: Handle) -> Handle:
    out = Handle()
    call(name, of, byref(out))
    return out


def copies_read_the_host_at_each_launch() -> None:
    memory, on, whole = allocate(4 * N), stream(), graph()
    source, target = ctypes.create_string_buffer(4 * N), ctypes.create_string_buffer(4 * N)
    other = ctypes.create_string_buffer(4 * N)
    up = node("Memcpy", whole, (), byref(to_device(memory, source)), context)
    kernel = node("Kernel", whole, (up,), byref(Add(memory, 3, N).params()))
    down = node("Memcpy", whole, (kernel,), byref(to_host(target, memory)), context)
    executable = instantiate(whole)
    for value in (10, 20, 30):
        source[:] = value.to_bytes(4, "little") * N
        run(executable, on)
        assert target.raw == (value + 3).to_bytes(4, "little") * N
    shown = Copy()
    call("cuGraphMemcpyNodeGetParams", up, byref(shown))
    assert (shown.source_host, shown.target) == (ctypes.addressof(source), memory.value)
    assert (shown.width, shown.height, shown.depth) == (4 * N, 1, 1)
    # The executable graph's copy goes elsewhere now, the graph's own node as before.
    call("cuGraphExecMemcpyNodeSetParams", executable, down, byref(to_host(other, memory)), context)
    source[:] = b"\0" * (4 * N)
    run(executable, on)
    assert other.raw == b"\3\0\0\0" * N
    assert target.raw == b"\x21\0\0\0" * N
    call("cuGraphExecUpdate_v2", executable, whole, (ctypes.c_uint64 * 3)())
    done = event()
    call("cuGraphLaunch", executable, on)
    call("cuEventRecord", done, on)
    while ctypes.CDLL("libcuda.so.1").cuEventQuery(done) == 600:
        pass
    assert target.raw == b"\3\0\0\0" * N
    # A launch that is still under way when its graph ends.
    source[:] = b"\1\0\0\0" * N
    call("cuGraphLaunch", executable, on)
    call("cuGraphExecDestroy", executable)
    call("cuGraphDestroy", whole)
    call("cuStreamSynchronize", on)
    assert target.raw == b"\4\0\0\0" * N


def launches_that_nobody_waits_for() -> None:
    """Each launch's results come to where it copied them, though the next copies elsewhere already."""
    memory, on, whole = allocate(4 * N), stream(), graph()
    upload(memory, bytes(4 * N))
    targets = [ctypes.create_string_buffer(4 * N) for _ in range(4)]
    kernel = node("Kernel", whole, (), byref(Add(memory, 1, N).params()))
    down = node("Memcpy", whole, (kernel,), byref(to_host(targets[0], memory)), context)
    executable = instantiate(whole)
    with held(on):
        for target in targets:
            call("cuGraphExecMemcpyNodeSetParams", executable, down, byref(to_host(target, memory)), context)
            call("cuGraphLaunch", executable, on)
    call("cuStreamSynchronize", on)
    assert [target.raw[:4] for target in targets] == [b"\1\0\0\0", b"\2\0\0\0", b"\3\0\0\0", b"\4\0\0\0"]


def functions_between_launches() -> None:
    """A function sees the results of the launch before it, and the program those of the launch after it."""
    memory, on, whole = allocate(4 * N), stream(), graph()
    upload(memory, bytes(4 * N))
    target, seen = ctypes.create_string_buffer(4 * N), list[bytes]()
    kernel = node("Kernel", whole, (), byref(Add(memory, 1, N).params()))
    node("Memcpy", whole, (kernel,), byref(to_host(target, memory)), context)
    executable, look = instantiate(whole), HostFunction(lambda _data: seen.append(target.raw[:4]))
    with held(on):
        for _ in range(2):
            call("cuGraphLaunch", executable, on)
            call("cuLaunchHostFunc", on, look, None)
        call("cuGraphLaunch", executable, on)
    call("cuStreamSynchronize", on)
    assert seen == [b"\1\0\0\0", b"\2\0\0\0"]
    assert target.raw[:4] == b"\3\0\0\0"


def pitched_copies() -> None:
    memory, on, whole = allocate(256 * 4), stream(), graph()
    source = ctypes.create_string_buffer(bytes(range(120)), 120)
    target = ctypes.create_string_buffer(120)
    up = to_device(memory, source)
    up.source_pitch, up.target_pitch, up.width, up.height = 30, 256, 20, 4
    down = to_host(target, memory)
    down.target_pitch, down.source_pitch, down.width, down.height = 30, 256, 20, 4
    first = node("Memcpy", whole, (), byref(up), context)
    node("Memcpy", whole, (first,), byref(down), context)
    run(instantiate(whole), on)
    rows = [bytes(range(30 * row, 30 * row + 20)) + bytes(10) for row in range(4)]
    assert target.raw == b"".join(rows)


def host_functions_see_and_write() -> None:
    """A function reads what was copied before it and writes what is copied after it."""
    memory, on, whole = allocate(4 * N), stream(), graph()
    seen: list[bytes] = []
    result, source = ctypes.create_string_buffer(4 * N), ctypes.create_string_buffer(4 * N)

    def between(_data: object) -> None:
        seen.append(result.raw)
        source[:] = (77).to_bytes(4, "little") * N

    function = HostFunction(between)
    first = node("Memset", whole, (), byref(fill(memory, 9, N)), context)
    down = node("Memcpy", whole, (first,), byref(to_host(result, memory)), context)
    host = node("Host", whole, (down,), byref(HostParams(function, None)))
    node("Memcpy", whole, (host,), byref(to_device(memory, source)), context)
    executable = instantiate(whole)
    for _ in range(2):
        source[:], result[:] = bytes(4 * N), bytes(4 * N)
        run(executable, on)
        assert numbers(memory, N) == [77] * N
    assert seen == [(9).to_bytes(4, "little") * N] * 2
    # A function in the stream behind a launch reads its results too.
    call("cuGraphLaunch", executable, on)
    late: list[bytes] = []
    behind = HostFunction(lambda _data: late.append(result.raw))
    call("cuLaunchHostFunc", on, behind, None)
    call("cuStreamSynchronize", on)
    assert late == [(9).to_bytes(4, "little") * N]


def memory_of_graphs() -> None:
    on, whole, before = stream(), graph(), free_bytes()
    params = AllocParams(type=1, location=1, device=0, size=8 << 20)
    first = node("MemAlloc", whole, (), byref(params))
    memory = Address(params.address)
    assert free_bytes() <= before - (8 << 20)
    filled = node("Memset", whole, (first,), byref(fill(memory, 4, N)), context)
    assert type_of(first) == ALLOC
    run(instantiate(whole), on)
    assert numbers(memory, N) == [4] * N
    call("cuMemFree_v2", memory)
    assert type_of(node("MemFree", whole, (filled,), memory)) == FREE
    executable = instantiate(whole)
    run(executable, on)
    too_much = AllocParams(type=1, location=1, device=0, size=64 << 30)
    fails(2, "cuGraphAddMemAllocNode", byref(Handle()), whole, None, Size(0), byref(too_much))
    used = c_uint64()
    call("cuDeviceGetGraphMemAttribute", 0, 0, byref(used))
    assert used.value == 8 << 20


def errors() -> None:
    memory, whole, none = allocate(64), graph(), Handle()
    fails(INVALID_VALUE, "cuGraphAddEmptyNode", byref(none), Handle(0x1234), None, Size(0))
    fails(
        INVALID_VALUE, "cuGraphAddEmptyNode", byref(none), whole, (ctypes.c_void_p * 1)(whole.value), Size(1)
    )
    outside = MemsetParams(memory.value, 0, 1, 4, 1 << 40, 1)
    fails(INVALID_VALUE, "cuGraphAddMemsetNode", byref(none), whole, None, Size(0), byref(outside), context)
    fails(INVALID_VALUE, "cuGraphInstantiateWithFlags", byref(none), Handle(0x5678), c_uint64(0))
    mine = node("Empty", whole, ())
    other = node("Empty", graph(), ())
    assert ctypes.CDLL("libcuda.so.1").cuGraphAddEmptyNode(
        byref(none), whole, (ctypes.c_void_p * 1)(other.value), Size(1)
    ) in (INVALID_VALUE,)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.dot"
        call("cuGraphDebugDotPrint", whole, str(path).encode(), 0)
        assert path.read_text().startswith("digraph")
    assert type_of(mine) == EMPTY


def user_objects() -> None:
    ended: list[int] = []
    destroy = HostFunction(lambda data: ended.append(data))
    thing, whole = Handle(), graph()
    call("cuUserObjectCreate", byref(thing), ctypes.c_void_p(42), destroy, 1, 1)
    call("cuGraphRetainUserObject", whole, thing, 1, 1)
    copy = made("cuGraphClone", whole)
    call("cuGraphDestroy", whole)
    assert ended == []
    executable = instantiate(copy)
    call("cuGraphDestroy", copy)
    assert ended == []
    call("cuGraphExecDestroy", executable)
    assert ended == [42]


context = start()
kernels_and_fills()
children_and_clones()
copies_read_the_host_at_each_launch()
launches_that_nobody_waits_for()
functions_between_launches()
pitched_copies()
host_functions_see_and_write()
memory_of_graphs()
errors()
user_objects()
download(allocate(4), 4)
print("ok")
