# SPDX-License-Identifier: BSD-3-Clause
"""Calls answered from what the client knows, or that take plain numbers along."""

from __future__ import annotations

import ctypes
import tempfile
from ctypes import byref, c_int, c_uint, c_uint64, c_void_p
from pathlib import Path

from driver import PTX, Handle, Size, allocate, call, cuda, download, fails, noise, start, upload

NOT_SUPPORTED, INVALID_VALUE, INVALID_HANDLE = 801, 1, 400


def made_stream(flags: int = 0, priority: int = 0) -> Handle:
    stream = Handle()
    call("cuStreamCreateWithPriority", byref(stream), flags, priority)
    return stream


def asked(name: str, stream: object) -> int:
    value = c_int(-77)
    call(name, stream, byref(value))
    return value.value


def streams_know_their_flags_and_priority() -> None:
    low, high = made_stream(1, 5), made_stream(0, -99)
    assert asked("cuStreamGetFlags", low) == 1
    assert asked("cuStreamGetFlags", high) == 0
    assert asked("cuStreamGetPriority", low) == 0
    assert asked("cuStreamGetPriority", high) == -5
    for default in (None, 1, 2):
        assert asked("cuStreamGetPriority", default) == 0
        assert asked("cuStreamGetFlags", default) == 0
    fails(INVALID_VALUE, "cuStreamCreate", byref(Handle()), 6)
    fails(INVALID_HANDLE, "cuStreamGetFlags", 0x1234, byref(c_int()))
    call("cuStreamSynchronize", high)
    call("cuStreamDestroy_v2", low)
    fails(INVALID_HANDLE, "cuStreamGetPriority", low, byref(c_int()))


class Attribute(ctypes.Union):
    _fields_ = (("words", c_uint64 * 8), ("number", c_int))


def stream_attributes() -> None:
    stream, value = made_stream(0, -3), Attribute()
    call("cuStreamGetAttribute", stream, 8, byref(value))
    assert value.number == -3
    call("cuStreamSetAttribute", stream, 8, byref(Attribute(number=-2)))
    assert asked("cuStreamGetPriority", stream) == -2
    call("cuStreamGetAttribute", stream, 8, byref(value))
    assert value.number == -2
    memory = allocate(4096)
    window = Attribute(words=(c_uint64 * 8)(memory.value, 4096))
    call("cuStreamSetAttribute", stream, 1, byref(window))
    call("cuStreamGetAttribute", stream, 1, byref(value))
    assert value.words[0] == memory.value
    # A window over memory that is nobody's; an attribute whose value would be a handle.
    window = Attribute(words=(c_uint64 * 8)(0x10000000, 4096))
    fails(INVALID_VALUE, "cuStreamSetAttribute", stream, 1, byref(window))
    fails(NOT_SUPPORTED, "cuStreamSetAttribute", stream, 13, byref(value))


class Operation(ctypes.Structure):
    _fields_ = (
        ("operation", c_uint),
        ("address", c_uint64),
        ("value", c_uint64),
        ("flags", c_uint),
        ("alias", c_uint64),
        ("pad", c_uint64),
    )


def batches_of_operations_on_memory() -> None:
    stream, memory = made_stream(), allocate(16)
    upload(memory, bytes(16))
    write32, write64, wait = 2, 5, 1
    at = memory.value
    batch = (Operation * 3)(
        Operation(write32, at, 7, 0, 0, 0),
        Operation(wait, at, 7, 1, 0, 0),
        Operation(write64, at + 8, 9, 0, 0, 0),
    )
    result = cuda.cuStreamBatchMemOp_v2(stream, 3, batch, 0)
    assert result == 0
    if cuda.cuStreamSynchronize(stream) == NOT_SUPPORTED:
        return
    assert download(memory, 16) == bytes([7] + [0] * 7 + [9] + [0] * 7)
    batch[0].address = 0x10000000
    assert cuda.cuStreamBatchMemOp_v2(stream, 1, batch, 0) == 0  # posted: the next call that waits tells
    fails(INVALID_VALUE, "cuStreamSynchronize", stream)
    fails(INVALID_VALUE, "cuStreamBatchMemOp_v2", stream, 1, None, 0)


class Location(ctypes.Structure):
    _fields_ = (("type", c_int), ("id", c_int))


def pools_by_location() -> None:
    default, same, made = Handle(), Handle(), Handle()
    device = Location(1, 0)
    call("cuDeviceGetDefaultMemPool", byref(default), 0)
    call("cuMemGetDefaultMemPool", byref(same), byref(device), 1)
    assert same.value == default.value
    properties = (c_int * 22)(1, 0, 1, 0)
    call("cuMemPoolCreate", byref(made), properties)
    call("cuMemSetMemPool", byref(device), 1, made)
    call("cuMemGetMemPool", byref(same), byref(device), 1)
    assert same.value == made.value
    call("cuMemSetMemPool", byref(device), 1, default)


class CopyAttributes(ctypes.Structure):
    _fields_ = (("order", c_int), ("source", Location), ("destination", Location), ("flags", c_uint))


def batches_of_copies() -> None:
    stream, a, b = made_stream(), allocate(4096), allocate(4096)
    data = noise(4096)
    upload(a, data)
    host = ctypes.create_string_buffer(4096)
    attributes, first = CopyAttributes(1), Size(0)
    to = (c_uint64 * 2)(b.value, ctypes.addressof(host))
    source = (c_uint64 * 2)(a.value, a.value + 96)
    sizes = (Size * 2)(4096, 4000)
    call(
        "cuMemcpyBatchAsync_v2", to, source, sizes, Size(2), byref(attributes), byref(first), Size(1), stream
    )
    call("cuStreamSynchronize", stream)
    assert download(b, 4096) == data
    assert host.raw[:4000] == data[96:]
    # Told which copy did not work; the legacy stream takes no batches.
    source[1] = a.value + 97
    sizes[1] = 4096
    failed = Size()
    rest = (byref(attributes), byref(first), Size(1))
    fails(INVALID_VALUE, "cuMemcpyBatchAsync", to, source, sizes, Size(2), *rest, byref(failed), stream)
    assert failed.value == 1
    fails(INVALID_VALUE, "cuMemcpyBatchAsync_v2", to, source, sizes, Size(1), *rest, None)


def affinity_and_flags() -> None:
    affinity, processors, flags = (c_uint * 4)(), c_int(), c_uint()
    call("cuCtxGetExecAffinity", affinity, 0)
    call("cuDeviceGetAttribute", byref(processors), 16, 0)
    assert affinity[1] == processors.value
    call("cuCtxSetFlags", 4)
    call("cuCtxGetFlags", byref(flags))
    assert flags.value == 4


def logs_tell_what_went_wrong() -> None:
    heard = []
    signature = ctypes.CFUNCTYPE(None, c_void_p, c_int, ctypes.c_char_p, Size)
    callback = signature(lambda _data, level, text, _length: heard.append((level, text)))
    handle, iterator, size = Handle(), c_uint(), Size(4096)
    call("cuLogsRegisterCallback", callback, None, byref(handle))
    call("cuLogsCurrent", byref(iterator), 0)
    assert cuda.cuModuleLoadData(byref(Handle()), PTX.replace(b"ld.param", b"no.param")) != 0
    assert heard
    assert heard[0][0] == 0
    buffer = ctypes.create_string_buffer(4096)
    before = c_uint(iterator.value)
    call("cuLogsDumpToMemory", byref(iterator), buffer, byref(size), 0)
    assert buffer.value == b"".join(text for _, text in heard)
    assert size.value == len(buffer.value)
    size.value = 4096
    call("cuLogsDumpToMemory", byref(iterator), buffer, byref(size), 0)
    assert size.value == 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        call("cuLogsDumpToFile", byref(before), bytes(path), 0)
        assert path.read_bytes() == b"".join(text for _, text in heard)
    call("cuLogsUnregisterCallback", handle)
    fails(INVALID_VALUE, "cuLogsUnregisterCallback", handle)


def compilers_write_options_back() -> None:
    module, options = Handle(), (c_int * 2)(2, 1)  # CU_JIT_WALL_TIME, CU_JIT_THREADS_PER_BLOCK
    values = (c_void_p * 2)(0xDEAD, 128)
    call("cuModuleLoadDataEx", byref(module), PTX, 2, options, values)
    assert (values[0] or 0) != 0xDEAD
    hints = (c_int * 2)(26, 27)  # CU_JIT_REFERENCED_KERNEL_NAMES, their number
    call("cuModuleLoadDataEx", byref(module), PTX, 2, hints, (c_void_p * 2)(0x1000, 1))


start()
streams_know_their_flags_and_priority()
stream_attributes()
batches_of_operations_on_memory()
pools_by_location()
batches_of_copies()
affinity_and_flags()
logs_tell_what_went_wrong()
compilers_write_options_back()
print("ok")
