# SPDX-License-Identifier: BSD-3-Clause
"""What the programs about graphs share: streams, CUDA's structures for nodes, and short forms of calls."""

from __future__ import annotations

import ctypes
from ctypes import addressof, byref, c_uint, c_uint64, c_void_p, sizeof

from driver import Address, Handle, Size, call, download, function, launch

GLOBAL, THREAD_LOCAL, RELAXED = 0, 1, 2
NONE, ACTIVE, INVALIDATED = 0, 1, 2
KERNEL, MEMCPY, MEMSET, HOST, CHILD, EMPTY, WAIT_EVENT, RECORD_EVENT, ALLOC, FREE = (
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
)
INVALID_VALUE, INVALID_HANDLE, NOT_SUPPORTED = 1, 400, 801
CAPTURE_UNSUPPORTED, CAPTURE_INVALIDATED, WRONG_THREAD = 900, 901, 908

HostFunction = ctypes.CFUNCTYPE(None, c_void_p)


class KernelParams(ctypes.Structure):
    _fields_ = (
        ("function", c_void_p),
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared", c_uint),
        ("params", c_void_p),
        ("extra", c_void_p),
        ("kernel", c_void_p),
        ("context", c_void_p),
    )


class MemsetParams(ctypes.Structure):
    _fields_ = (
        ("address", c_uint64),
        ("pitch", Size),
        ("value", c_uint),
        ("element_size", c_uint),
        ("width", Size),
        ("height", Size),
    )


class HostParams(ctypes.Structure):
    _fields_ = (("function", HostFunction), ("data", c_void_p))


class Copy(ctypes.Structure):
    """CUDA_MEMCPY3D."""

    _fields_ = (
        *[
            ("source_" + n, t)
            for n, t in (("x", Size), ("y", Size), ("z", Size), ("lod", Size), ("type", c_uint))
        ],
        ("source_host", c_void_p),
        ("source", c_uint64),
        ("source_array", c_void_p),
        ("source_reserved", c_void_p),
        ("source_pitch", Size),
        ("source_height", Size),
        *[
            ("target_" + n, t)
            for n, t in (("x", Size), ("y", Size), ("z", Size), ("lod", Size), ("type", c_uint))
        ],
        ("target_host", c_void_p),
        ("target", c_uint64),
        ("target_array", c_void_p),
        ("target_reserved", c_void_p),
        ("target_pitch", Size),
        ("target_height", Size),
        ("width", Size),
        ("height", Size),
        ("depth", Size),
    )


class AllocParams(ctypes.Structure):
    """CUDA_MEM_ALLOC_NODE_PARAMS."""

    _fields_ = (
        ("type", c_uint),
        ("handles", c_uint),
        ("location", c_uint),
        ("device", c_uint),
        ("security", c_void_p),
        ("max_size", Size),
        ("usage", c_uint),
        ("reserved", ctypes.c_ubyte * 52),
        ("access", c_void_p),
        ("access_count", Size),
        ("size", Size),
        ("address", c_uint64),
    )


assert sizeof(Copy) == 200
assert sizeof(AllocParams) == 120


class Add:
    """The kernel of PTX that adds a value to n numbers, with its parameters."""

    def __init__(self, address: Address, value: int, n: int) -> None:
        self.function = function("add")
        self.values = [Address(address.value), c_uint(value), c_uint(n)]
        self.n = n

    def launch(self, stream: Handle) -> None:
        assert launch(self.function, (self.n + 127) // 128, 128, *self.values, stream=stream) == 0

    def params(self, **changed: int) -> KernelParams:
        if "value" in changed:
            self.values[1] = c_uint(changed["value"])
        self.pointers = (c_void_p * 3)(*[addressof(v) for v in self.values])
        grid = (c_uint * 3)((self.n + 127) // 128, 1, 1)
        block = (c_uint * 3)(128, 1, 1)
        out = KernelParams(self.function.value, grid, block, 0, addressof(self.pointers))
        out.values = self  # what it points to lives as long
        return out


def to_device(address: Address, host: ctypes.Array[ctypes.c_char]) -> Copy:
    size = sizeof(host)
    return Copy(
        source_type=1, source_host=addressof(host), source_pitch=size, source_height=1,
        target_type=2, target=address.value, target_pitch=size, target_height=1,
        width=size, height=1, depth=1,
    )  # fmt: skip


def to_host(host: ctypes.Array[ctypes.c_char], address: Address) -> Copy:
    size = sizeof(host)
    return Copy(
        source_type=2, source=address.value, source_pitch=size, source_height=1,
        target_type=1, target_host=addressof(host), target_pitch=size, target_height=1,
        width=size, height=1, depth=1,
    )  # fmt: skip


def fill(address: Address, value: int, n: int) -> MemsetParams:
    return MemsetParams(address.value, 0, value, 4, n, 1)


def set_words(address: Address, value: int, n: int) -> None:
    """Fill memory before work in streams that do not wait for the default stream."""
    call("cuMemsetD32_v2", address, value, Size(n))
    call("cuCtxSynchronize")


def made(name: str, *arguments: object) -> Handle:
    """Call a function that returns a handle through its first parameter."""
    out = Handle()
    call(name, byref(out), *arguments)
    return out


def stream() -> Handle:
    return made("cuStreamCreate", 1)


def event() -> Handle:
    return made("cuEventCreate", 2)


def graph() -> Handle:
    return made("cuGraphCreate", 0)


def after(*nodes: Handle) -> tuple[object, Size]:
    return (c_void_p * max(len(nodes), 1))(*[n.value for n in nodes]), Size(len(nodes))


def node(kind: str, graph: Handle, dependencies: tuple[Handle, ...], *params: object) -> Handle:
    return made(f"cuGraphAdd{kind}Node", graph, *after(*dependencies), *params)


def instantiate(graph: Handle) -> Handle:
    return made("cuGraphInstantiateWithFlags", graph, c_uint64(0))


def run(executable: Handle, on: Handle) -> None:
    call("cuGraphLaunch", executable, on)
    call("cuStreamSynchronize", on)


def begin(on: Handle, mode: int = RELAXED) -> None:
    call("cuStreamBeginCapture_v2", on, mode)


def end(on: Handle) -> Handle:
    out = Handle()
    call("cuStreamEndCapture", on, byref(out))
    return out


def status(on: Handle) -> int:
    out = ctypes.c_int(-1)
    call("cuStreamIsCapturing", on, byref(out))
    return out.value


def nodes_of(graph: Handle, name: str = "cuGraphGetNodes") -> list[Handle]:
    count = Size()
    call(name, graph, None, byref(count))
    out = (c_void_p * max(count.value, 1))()
    call(name, graph, out, byref(count))
    return [Handle(value) for value in out[: count.value]]


def type_of(node: Handle) -> int:
    out = ctypes.c_int(-1)
    call("cuGraphNodeGetType", node, byref(out))
    return out.value


def numbers(address: Address, n: int) -> list[int]:
    return list((c_uint * n).from_buffer_copy(download(address, 4 * n)))
