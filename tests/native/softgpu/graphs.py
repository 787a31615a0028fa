# SPDX-License-Identifier: BSD-3-Clause
"""Graphs through ctypes: the structures of cuda.h, and a class with the calls that tests make most."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from tests.native.ptx.harness import Driver

GLOBAL, THREAD_LOCAL, RELAXED = 0, 1, 2
NON_BLOCKING = 1
HOST_FN = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class KernelParams(ctypes.Structure):
    """CUDA_KERNEL_NODE_PARAMS_v2."""

    _fields_ = (
        ("func", ctypes.c_void_p),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("params", ctypes.c_void_p),
        ("extra", ctypes.c_void_p),
        ("kern", ctypes.c_void_p),
        ("ctx", ctypes.c_void_p),
    )


class MemsetParams(ctypes.Structure):
    """CUDA_MEMSET_NODE_PARAMS."""

    _fields_ = (
        ("dst", ctypes.c_uint64),
        ("pitch", ctypes.c_size_t),
        ("value", ctypes.c_uint),
        ("element", ctypes.c_uint),
        ("width", ctypes.c_size_t),
        ("height", ctypes.c_size_t),
    )


class HostParams(ctypes.Structure):
    """CUDA_HOST_NODE_PARAMS."""

    _fields_ = (("fn", HOST_FN), ("data", ctypes.c_void_p))


class Location(ctypes.Structure):
    """CUmemLocation."""

    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class PoolProps(ctypes.Structure):
    """CUmemPoolProps."""

    _fields_ = (
        ("alloc_type", ctypes.c_int),
        ("handle_types", ctypes.c_int),
        ("location", Location),
        ("security", ctypes.c_void_p),
        ("max_size", ctypes.c_size_t),
        ("usage", ctypes.c_ushort),
        ("reserved", ctypes.c_ubyte * 54),
    )


class AllocParams(ctypes.Structure):
    """CUDA_MEM_ALLOC_NODE_PARAMS."""

    _fields_ = (
        ("pool", PoolProps),
        ("access", ctypes.c_void_p),
        ("access_count", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("address", ctypes.c_uint64),
    )


class Conditional(ctypes.Structure):
    """CUDA_CONDITIONAL_NODE_PARAMS."""

    _fields_ = (
        ("handle", ctypes.c_uint64),
        ("type", ctypes.c_int),
        ("size", ctypes.c_uint),
        ("graphs", ctypes.POINTER(ctypes.c_void_p)),
        ("ctx", ctypes.c_void_p),
    )


class AnyParams(ctypes.Union):
    """The union inside CUgraphNodeParams."""

    _fields_ = (
        ("reserved", ctypes.c_longlong * 29),
        ("kernel", KernelParams),
        ("memset", MemsetParams),
        ("conditional", Conditional),
    )


class NodeParams(ctypes.Structure):
    """CUgraphNodeParams."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("reserved", ctypes.c_int * 3),
        ("of", AnyParams),
        ("reserved2", ctypes.c_longlong),
    )


class UpdateInfo(ctypes.Structure):
    """CUgraphExecUpdateResultInfo."""

    _fields_ = (("result", ctypes.c_int), ("node", ctypes.c_void_p), ("from_node", ctypes.c_void_p))


Handle = ctypes.c_void_p


def handles(nodes: Sequence[Handle]) -> Any:
    return (ctypes.c_void_p * max(len(nodes), 1))(*[node.value for node in nodes])


class Graphs:
    """Calls on one driver; what the structures point to is kept as long as this object."""

    def __init__(self, gpu: Driver) -> None:
        self.gpu = gpu
        self.kept: list[Any] = []

    def code(self, name: str, *args: Any) -> int:
        result: int = getattr(self.gpu.lib, name)(*args)
        return result

    def made(self, name: str, *args: Any) -> Handle:
        """Calls a function whose first argument receives a handle."""
        handle = ctypes.c_void_p()
        self.gpu.call(name, ctypes.byref(handle), *args)
        return handle

    def stream(self, flags: int = NON_BLOCKING) -> Handle:
        return self.made("cuStreamCreate", flags)

    def event(self) -> Handle:
        return self.made("cuEventCreate", 0)

    def graph(self) -> Handle:
        return self.made("cuGraphCreate", 0)

    def begin(self, stream: Handle, mode: int = GLOBAL) -> None:
        self.gpu.call("cuStreamBeginCapture_v2", stream, mode)

    def end(self, stream: Handle) -> Handle:
        graph = ctypes.c_void_p()
        self.gpu.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        return graph

    def instantiate(self, graph: Handle, flags: int = 0) -> Handle:
        return self.made("cuGraphInstantiateWithFlags", graph, ctypes.c_ulonglong(flags))

    def run(self, execution: Handle, stream: Handle | None = None) -> None:
        self.gpu.call("cuGraphLaunch", execution, stream)
        self.gpu.call("cuStreamSynchronize", stream)

    def kernel_params(self, function: Handle, *args: int, ctype: Any = ctypes.c_uint64) -> KernelParams:
        cells = [ctype(value) for value in args]
        pointers = (ctypes.c_void_p * len(cells))(*[ctypes.addressof(cell) for cell in cells])
        self.kept += [cells, pointers]
        return KernelParams(
            function.value, (1, 1, 1), (1, 1, 1), 0, ctypes.cast(pointers, ctypes.c_void_p), None, None, None
        )

    def launch(self, function: Handle, stream: Handle, *args: int) -> None:
        params = self.kernel_params(function, *args)
        self.gpu.call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, stream,
                      ctypes.c_void_p(params.params), None)  # fmt: skip

    def add(self, kind: str, graph: Handle, after: Sequence[Handle], *args: Any) -> Handle:
        """Calls cuGraphAdd<kind>Node."""
        return self.made(f"cuGraphAdd{kind}", graph, handles(after), ctypes.c_size_t(len(after)), *args)

    def host(
        self, graph: Handle, after: Sequence[Handle], function: Callable[[int], object], data: int = 0
    ) -> Handle:
        params = HostParams(HOST_FN(lambda value: (function(value), None)[1]), data)
        self.kept.append(params)
        return self.add("HostNode", graph, after, ctypes.byref(params))

    def alloc(self, graph: Handle, after: Sequence[Handle], size: int) -> tuple[Handle, int]:
        params = AllocParams(PoolProps(1, 0, Location(1, 0)), None, 0, size, 0)
        node = self.add("MemAllocNode", graph, after, ctypes.byref(params))
        return node, params.address

    def nodes(self, graph: Handle) -> list[Handle]:
        count = ctypes.c_size_t()
        self.gpu.call("cuGraphGetNodes", graph, None, ctypes.byref(count))
        found = (ctypes.c_void_p * max(count.value, 1))()
        self.gpu.call("cuGraphGetNodes", graph, found, ctypes.byref(count))
        return [ctypes.c_void_p(value) for value in found[: count.value]]

    def types(self, graph: Handle) -> list[int]:
        found = []
        for node in self.nodes(graph):
            kind = ctypes.c_int()
            self.gpu.call("cuGraphNodeGetType", node, ctypes.byref(kind))
            found.append(kind.value)
        return found

    def edge_count(self, graph: Handle) -> int:
        count = ctypes.c_size_t()
        self.gpu.call("cuGraphGetEdges_v2", graph, None, None, None, ctypes.byref(count))
        return count.value

    def capture_status(self, stream: Handle) -> int:
        status = ctypes.c_int(99)
        self.gpu.call("cuStreamIsCapturing", stream, ctypes.byref(status))
        return status.value
