# SPDX-License-Identifier: BSD-3-Clause
"""Graphs made node by node: structure, copies, execution, updates, memory, conditions, user objects."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.native.ptx.harness import HEADER, Driver, Module, Result, kernel

from .graphs import (
    HOST_FN,
    AllocParams,
    Graphs,
    Handle,
    KernelParams,
    MemsetParams,
    NodeParams,
    UpdateInfo,
    handles,
)

KERNEL, MEMSET, HOST, CHILD, EMPTY, CONDITIONAL = 0, 2, 3, 4, 5, 13
NOT_SUPPORTED, UPDATE_FAILURE = 801, 910
AUTO_FREE = 1
ADD = kernel(
    "ld.param.u64 %l0, [out]; ld.param.u64 %l1, [more]; cvt.u32.u64 %r1, %l1; ld.global.u32 %r0, [%l0];"
    "add.u32 %r0, %r0, %r1; st.global.u32 [%l0], %r0;",
    ".param .u64 out, .param .u64 more",
)
# Counts down a word and says whether anything is left.
COUNT = (
    HEADER
    + """
.extern .func cudaGraphSetConditional (.param .b64 a, .param .b32 b);
.visible .entry test(.param .u64 out, .param .u64 handle)
{
.reg .b64 %l<4>; .reg .b32 %r<4>;
ld.param.u64 %l0, [out]; ld.param.u64 %l1, [handle];
ld.global.u32 %r0, [%l0]; sub.u32 %r0, %r0, 1; st.global.u32 [%l0], %r0;
{ .param .b64 p0; st.param.b64 [p0], %l1; .param .b32 p1; st.param.b32 [p1], %r0;
call.uni cudaGraphSetConditional, (p0, p1); }
ret;
}
"""
)


@pytest.fixture
def graphs(gpu: Driver) -> Graphs:
    return Graphs(gpu)


@pytest.fixture
def add(gpu: Driver) -> Module:
    return gpu.load(ADD)


def kernel_node(graphs: Graphs, graph: Handle, after: list[Handle], params: KernelParams) -> Handle:
    return graphs.add("KernelNode_v2", graph, after, ctypes.byref(params))


def fill(address: int, value: int) -> MemsetParams:
    return MemsetParams(address, 0, value, 4, 1, 1)


def test_nodes_run_in_the_order_of_their_dependencies(gpu: Driver, graphs: Graphs) -> None:
    graph = graphs.graph()
    order: list[int] = []
    nodes = [graphs.host(graph, [], order.append, i + 1) for i in range(4)]
    before, after = handles([nodes[3], nodes[2], nodes[1]]), handles([nodes[2], nodes[1], nodes[0]])
    gpu.call("cuGraphAddDependencies", graph, before, after, ctypes.c_size_t(3))
    assert (
        graphs.code("cuGraphAddDependencies", graph, before, after, ctypes.c_size_t(1))
        == Result.INVALID_VALUE
    )
    graphs.run(graphs.instantiate(graph))
    assert order == [4, 3, 2, 1]
    count, roots = ctypes.c_size_t(4), (ctypes.c_void_p * 4)()
    gpu.call("cuGraphGetRootNodes", graph, roots, ctypes.byref(count))
    assert (count.value, roots[0], roots[1]) == (1, nodes[3].value, None)
    gpu.call("cuGraphRemoveDependencies", graph, before, after, ctypes.c_size_t(1))
    assert graphs.edge_count(graph) == 2
    gpu.call("cuGraphAddDependencies", graph, handles([nodes[0]]), handles([nodes[2]]), ctypes.c_size_t(1))
    execution = ctypes.c_void_p()
    circle = graphs.code("cuGraphInstantiateWithFlags", ctypes.byref(execution), graph, ctypes.c_ulonglong(0))
    assert circle == Result.INVALID_VALUE
    gpu.call("cuGraphDestroyNode", nodes[2])
    assert len(graphs.nodes(graph)) == 3
    gpu.call("cuGraphDestroy", graph)
    assert graphs.code("cuGraphDestroy", graph) == Result.INVALID_VALUE


def test_parameters_come_back_and_change_in_graph_and_execution(
    gpu: Driver, graphs: Graphs, add: Module
) -> None:
    graph, buffer = graphs.graph(), gpu.zeros(1, np.uint32)
    zero = graphs.add("MemsetNode", graph, [], ctypes.byref(fill(buffer.address, 100)), None)
    node = kernel_node(graphs, graph, [zero], graphs.kernel_params(add.function("test"), buffer.address, 5))
    seen = KernelParams()
    gpu.call("cuGraphKernelNodeGetParams_v2", node, ctypes.byref(seen))
    cells = ctypes.cast(seen.params, ctypes.POINTER(ctypes.POINTER(ctypes.c_uint64)))
    assert (cells[0][0], cells[1][0], seen.func) == (buffer.address, 5, add.function("test").value)
    execution = graphs.instantiate(graph)
    other = graphs.kernel_params(add.function("test"), buffer.address, 6)
    gpu.call("cuGraphKernelNodeSetParams_v2", node, ctypes.byref(other))
    graphs.run(execution)
    assert buffer.get(np.uint32)[0] == 105
    more = graphs.kernel_params(add.function("test"), buffer.address, 7)
    gpu.call("cuGraphExecKernelNodeSetParams_v2", execution, node, ctypes.byref(more))
    gpu.call("cuGraphExecMemsetNodeSetParams", execution, zero, ctypes.byref(fill(buffer.address, 200)), None)
    graphs.run(execution)
    assert buffer.get(np.uint32)[0] == 207
    gpu.call("cuGraphNodeSetEnabled", execution, node, 0)
    graphs.run(execution)
    assert buffer.get(np.uint32)[0] == 200
    graphs.run(graphs.instantiate(graph))
    assert buffer.get(np.uint32)[0] == 106


def test_clones_and_children_are_copies(gpu: Driver, graphs: Graphs, add: Module) -> None:
    inner, buffer = graphs.graph(), gpu.zeros(1, np.uint32)
    function = add.function("test")
    node = kernel_node(graphs, inner, [], graphs.kernel_params(function, buffer.address, 1))
    outer = graphs.graph()
    child = graphs.add("ChildGraphNode", outer, [], inner)
    graphs.add("ChildGraphNode", outer, [child], inner)
    clone, found = graphs.made("cuGraphClone", inner), ctypes.c_void_p()
    gpu.call("cuGraphNodeFindInClone", ctypes.byref(found), node, clone)
    assert found.value != node.value
    ten = graphs.kernel_params(function, buffer.address, 10)
    gpu.call("cuGraphKernelNodeSetParams_v2", found, ctypes.byref(ten))
    gpu.call("cuGraphDestroy", inner)
    graphs.run(graphs.instantiate(outer))
    assert buffer.get(np.uint32)[0] == 2
    graphs.run(graphs.instantiate(clone))
    assert buffer.get(np.uint32)[0] == 12
    embedded = ctypes.c_void_p()
    gpu.call("cuGraphChildGraphNodeGetGraph", child, ctypes.byref(embedded))
    assert graphs.types(embedded) == [KERNEL]
    assert graphs.code("cuGraphDestroy", embedded) == Result.INVALID_VALUE


def test_an_update_takes_parameters_and_refuses_another_shape(
    gpu: Driver, graphs: Graphs, add: Module
) -> None:
    buffer, function = gpu.zeros(1, np.uint32), add.function("test")

    def make(value: int, extra: bool) -> Handle:
        graph = graphs.graph()
        first = graphs.add("MemsetNode", graph, [], ctypes.byref(fill(buffer.address, value)), None)
        kernel_node(
            graphs, graph, [] if extra else [first], graphs.kernel_params(function, buffer.address, 1)
        )
        return graph

    execution, info = graphs.instantiate(make(1, False)), UpdateInfo()
    gpu.call("cuGraphExecUpdate_v2", execution, make(50, False), ctypes.byref(info))
    assert info.result == 0
    other = make(70, True)
    assert graphs.code("cuGraphExecUpdate_v2", execution, other, ctypes.byref(info)) == UPDATE_FAILURE
    assert (info.result, info.node) == (2, graphs.nodes(other)[1].value)
    graphs.run(execution)
    assert buffer.get(np.uint32)[0] == 51


def test_launches_of_one_execution_follow_each_other_across_streams(gpu: Driver, graphs: Graphs) -> None:
    graph, go = graphs.graph(), threading.Event()
    seen: list[int] = []

    def wait(value: int) -> None:
        go.wait(30)
        seen.append(value)

    first = graphs.host(graph, [], wait, 1)
    graphs.host(graph, [first], seen.append, 2)
    execution, streams = graphs.instantiate(graph), [graphs.stream(), graphs.stream()]
    for stream in streams:
        gpu.call("cuGraphLaunch", execution, stream)
    gpu.call("cuGraphExecDestroy", execution)
    go.set()
    for stream in streams:
        gpu.call("cuStreamSynchronize", stream)
    assert seen == [1, 2, 1, 2]


def graph_memory(gpu: Driver, attribute: int) -> int:
    value = ctypes.c_uint64()
    gpu.call("cuDeviceGetGraphMemAttribute", 0, attribute, ctypes.byref(value))
    return value.value


def test_graph_memory_lives_from_launch_to_free(gpu: Driver, graphs: Graphs) -> None:
    graph, stream = graphs.graph(), graphs.stream()
    before = graph_memory(gpu, 2)
    node, address = graphs.alloc(graph, [], 256)
    graphs.add("MemsetNode", graph, [node], ctypes.byref(fill(address, 77)), None)
    shown = AllocParams()
    gpu.call("cuGraphMemAllocNodeGetParams", node, ctypes.byref(shown))
    assert (shown.address, shown.size) == (address, 256)
    word = np.zeros(1, np.uint32)

    def read() -> int:
        target = word.ctypes.data_as(ctypes.c_void_p)
        return graphs.code("cuMemcpyDtoH_v2", target, ctypes.c_uint64(address), ctypes.c_size_t(4))

    assert read() == Result.INVALID_VALUE
    execution, second = graphs.instantiate(graph), ctypes.c_void_p()
    again = graphs.code("cuGraphInstantiateWithFlags", ctypes.byref(second), graph, ctypes.c_ulonglong(0))
    assert again == Result.INVALID_VALUE
    graphs.run(execution, stream)
    assert (read(), word[0]) == (Result.SUCCESS, 77)
    assert graph_memory(gpu, 0) == 256
    assert graphs.code("cuGraphLaunch", execution, stream) == Result.INVALID_VALUE
    gpu.call("cuMemFreeAsync", ctypes.c_uint64(address), stream)
    gpu.call("cuStreamSynchronize", stream)
    assert read() == Result.INVALID_VALUE
    gpu.call("cuGraphExecDestroy", execution)
    execution = graphs.instantiate(graph, AUTO_FREE)
    for _ in range(3):
        graphs.run(execution, stream)
    gpu.call("cuGraphExecDestroy", execution)
    gpu.call("cuGraphDestroy", graph)
    assert (read(), word[0]) == (Result.SUCCESS, 77)
    gpu.call("cuMemFree_v2", ctypes.c_uint64(address))
    assert read() == Result.INVALID_VALUE
    assert graph_memory(gpu, 2) == before


def test_memory_freed_within_the_graph_can_be_launched_again_at_once(
    gpu: Driver, graphs: Graphs, add: Module
) -> None:
    graph, buffer = graphs.graph(), gpu.zeros(1, np.uint32)
    node, address = graphs.alloc(graph, [], 64)
    zero = graphs.add("MemsetNode", graph, [node], ctypes.byref(fill(address, 0)), None)
    work = kernel_node(graphs, graph, [zero], graphs.kernel_params(add.function("test"), address, 3))
    own = kernel_node(graphs, graph, [work], graphs.kernel_params(add.function("test"), buffer.address, 1))
    graphs.add("MemFreeNode", graph, [own], ctypes.c_uint64(address))
    execution = graphs.instantiate(graph)
    for _ in range(20):
        gpu.call("cuGraphLaunch", execution, None)
    gpu.call("cuCtxSynchronize")
    assert buffer.get(np.uint32)[0] == 20


def conditional(
    graphs: Graphs, graph: Handle, kind: int, default: int, size: int = 1
) -> tuple[int, list[Handle]]:
    handle, node = ctypes.c_uint64(), ctypes.c_void_p()
    graphs.gpu.call("cuGraphConditionalHandleCreate", ctypes.byref(handle), graph, None, default, 1)
    params = NodeParams()
    params.type = CONDITIONAL
    params.of.conditional.handle = handle.value
    params.of.conditional.type = kind
    params.of.conditional.size = size
    graphs.gpu.call("cuGraphAddNode_v2", ctypes.byref(node), graph, None, None, ctypes.c_size_t(0),
                    ctypes.byref(params))  # fmt: skip
    return handle.value, [ctypes.c_void_p(params.of.conditional.graphs[i]) for i in range(size)]


def test_a_while_node_repeats_until_the_device_says_no(gpu: Driver, graphs: Graphs, add: Module) -> None:
    graph, words = graphs.graph(), gpu.upload(np.array([5, 0], np.uint32))
    handle, [body] = conditional(graphs, graph, 1, 1)
    count = gpu.load(COUNT)
    first = kernel_node(graphs, body, [], graphs.kernel_params(count.function("test"), words.address, handle))
    kernel_node(graphs, body, [first], graphs.kernel_params(add.function("test"), words.address + 4, 1))
    graphs.run(graphs.instantiate(graph))
    assert list(words.get(np.uint32)) == [0, 5]
    graphs.host(body, [], lambda _: None)
    refused = ctypes.c_void_p()
    code = graphs.code("cuGraphInstantiateWithFlags", ctypes.byref(refused), graph, ctypes.c_ulonglong(0))
    assert code == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("kind", "size", "default", "expected"),
    [(0, 1, 1, [1, 0]), (0, 2, 0, [0, 1]), (2, 2, 1, [0, 1]), (2, 2, 9, [0, 0])],
)
def test_if_and_switch_nodes_take_the_default(
    gpu: Driver, graphs: Graphs, add: Module, kind: int, size: int, default: int, expected: list[int]
) -> None:
    graph, words = graphs.graph(), gpu.zeros(2, np.uint32)
    _, bodies = conditional(graphs, graph, kind, default, size)
    for i, body in enumerate(bodies):
        kernel_node(graphs, body, [], graphs.kernel_params(add.function("test"), words.address + 4 * i, 1))
    graphs.run(graphs.instantiate(graph))
    assert list(words.get(np.uint32)) == expected


def test_generic_parameters_and_the_picture(gpu: Driver, graphs: Graphs, add: Module, tmp_path: Path) -> None:
    graph, buffer, node = graphs.graph(), gpu.zeros(1, np.uint32), ctypes.c_void_p()
    params = NodeParams()
    params.type = KERNEL
    params.of.kernel = graphs.kernel_params(add.function("test"), buffer.address, 4)
    gpu.call("cuGraphAddNode", ctypes.byref(node), graph, None, ctypes.c_size_t(0), ctypes.byref(params))
    seen = NodeParams()
    gpu.call("cuGraphNodeGetParams", node, ctypes.byref(seen))
    assert (seen.type, seen.of.kernel.func) == (KERNEL, add.function("test").value)
    execution = graphs.instantiate(graph)
    params.of.kernel = graphs.kernel_params(add.function("test"), buffer.address, 6)
    gpu.call("cuGraphExecNodeSetParams", execution, node, ctypes.byref(params))
    graphs.run(execution)
    assert buffer.get(np.uint32)[0] == 6
    gpu.call("cuGraphDebugDotPrint", graph, str(tmp_path / "graph.dot").encode(), 0)
    assert "test" in (tmp_path / "graph.dot").read_text()


def test_a_user_object_goes_with_the_last_graph_that_keeps_it(gpu: Driver, graphs: Graphs) -> None:
    graph, item, gone = graphs.graph(), ctypes.c_void_p(), threading.Event()
    destroy = HOST_FN(lambda _: gone.set())
    gpu.call("cuUserObjectCreate", ctypes.byref(item), None, destroy, 1, 1)
    gpu.call("cuGraphRetainUserObject", graph, item, 1, 1)
    execution = graphs.instantiate(graph)
    gpu.call("cuGraphDestroy", graph)
    assert not gone.wait(0.2)
    gpu.call("cuGraphExecDestroy", execution)
    assert gone.wait(30)
    assert graphs.code("cuUserObjectRetain", item, 1) == Result.INVALID_VALUE
