# SPDX-License-Identifier: BSD-3-Clause
"""Host memory with an address on the GPU: mapped, pinned and asked for, registered."""

from __future__ import annotations

import ctypes
import os

from driver import (
    Address,
    Handle,
    Size,
    allocate,
    call,
    download,
    fails,
    free_bytes,
    function,
    launch,
    start,
    upload,
)

WORDS = 100_003
DEVICEMAP = 2


def pinned(words: int, flags: int) -> ctypes.Array[ctypes.c_uint32]:
    address = Handle()
    call("cuMemHostAlloc", ctypes.byref(address), Size(4 * words), flags)
    return (ctypes.c_uint32 * words).from_address(address.value or 0)


def on_gpu(data: object, offset: int = 0) -> Address:
    out = Address()
    call("cuMemHostGetDevicePointer_v2", ctypes.byref(out), Handle(ctypes.addressof(data) + offset), 0)
    return out


def add(address: Address, words: int, value: int) -> None:
    code = launch(kernel, (words + 255) // 256, 256, address, ctypes.c_uint32(value), ctypes.c_uint32(words))
    assert code == 0, code


def both_sides(data: ctypes.Array[ctypes.c_uint32]) -> None:
    """Each sees what the other one wrote, after launches and synchronisations."""
    words = len(data)
    data[:] = range(words)
    address = on_gpu(data)
    add(address, words, 5)
    call("cuStreamSynchronize", None)
    assert data[:] == list(range(5, words + 5))
    data[7] = 1000
    add(on_gpu(data, 28), 2, 1)
    call("cuCtxSynchronize")
    assert data[6:10] == [11, 1001, 14, 14]
    plain = allocate(4 * words)
    call("cuMemcpyHtoD_v2", plain, data, Size(4 * words))
    assert download(plain, 32)[28:] == b"\xe9\3\0\0"
    add(plain, words, 1)
    call("cuMemcpyDtoH_v2", data, plain, Size(4 * words))
    assert data[7] == 1002
    add(address, words, 1)
    event = Handle()
    call("cuEventCreate", ctypes.byref(event), 0)
    call("cuEventRecord", event, None)
    call("cuEventSynchronize", event)
    assert (data[7], data[words - 1]) == (1003, words + 6)
    call("cuMemsetD32_v2", address, 9, Size(3))
    call("cuCtxSynchronize")
    assert data[:4] == [9, 9, 9, 10]
    call("cuMemFree_v2", plain)


def mapped() -> None:
    data = pinned(WORDS, DEVICEMAP)
    assert on_gpu(data).value == ctypes.addressof(data)
    both_sides(data)
    value = ctypes.c_uint64()
    for attribute, wanted in ((2, 1), (8, 0), (3, ctypes.addressof(data)), (4, ctypes.addressof(data))):
        call("cuPointerGetAttribute", ctypes.byref(value), attribute, Address(ctypes.addressof(data)))
        assert value.value & 0xFFFFFFFFFFFF == wanted, attribute
    flags = ctypes.c_uint()
    call("cuMemHostGetFlags", ctypes.byref(flags), data)
    assert flags.value == DEVICEMAP
    fails(1, "cuMemFree_v2", Address(ctypes.addressof(data)))
    call("cuMemFreeHost", data)


def asked_for() -> None:
    """Ordinary pinned memory costs the lease nothing until its device pointer is asked for."""
    before = free_bytes()
    data = pinned(WORDS, 0)
    assert free_bytes() == before
    both_sides(data)
    assert free_bytes() < before
    call("cuMemFreeHost", data)


def registered() -> None:
    """Memory that begins anywhere; what lies around it stays untouched, and system calls go on working."""
    whole = (ctypes.c_uint8 * (4 * WORDS + 40))(*([77] * 30))
    data = (ctypes.c_uint32 * WORDS).from_address(ctypes.addressof(whole) + 20)
    call("cuMemHostRegister_v2", data, Size(4 * WORDS), DEVICEMAP)
    both_sides(data)
    assert whole[:20] == [77] * 20
    assert whole[4 * WORDS + 20 :] == [0] * 20
    address = on_gpu(data)
    ends = os.pipe()
    os.write(ends[1], b"\1\0\0\0")
    assert os.readv(ends[0], [memoryview(data).cast("B")[:4]]) == 4
    add(address, 2, 1)
    # Bytes that the program changes while the GPU works are not lost.
    data[100] = 4711
    call("cuCtxSynchronize")
    assert (data[0], data[100]) == (2, 4711)
    add(address, 200, 1)
    call("cuCtxSynchronize")
    assert (data[0], data[100]) == (3, 4712)
    call("cuMemHostUnregister", data)
    fails(1, "cuMemHostGetDevicePointer_v2", ctypes.byref(Address()), data, 0)
    data[0] = 1


def staging() -> None:
    """Pinned memory that nobody maps is plain memory to copies."""
    data, plain = pinned(WORDS, 0), allocate(4 * WORDS)
    data[:] = range(WORDS)
    call("cuMemcpyHtoDAsync_v2", plain, data, Size(4 * WORDS), None)
    add(plain, WORDS, 1)
    call("cuMemcpyDtoHAsync_v2", data, plain, Size(4 * WORDS), None)
    call("cuCtxSynchronize")
    assert data[:] == list(range(1, WORDS + 1))
    call("cuMemFreeHost", data)
    upload(plain, b"done")


start()
kernel = function("add")
can_map = ctypes.c_int()
call("cuDeviceGetAttribute", ctypes.byref(can_map), 19, 0)
assert can_map.value == 1
for check in (staging, mapped, asked_for, registered):
    check()
print("ok")
