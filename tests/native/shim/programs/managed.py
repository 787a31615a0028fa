# SPDX-License-Identifier: BSD-3-Clause
"""Managed memory: what either side wrote, the other one sees."""

from __future__ import annotations

import array
import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import threading

from driver import (
    Address,
    Handle,
    HostFunction,
    Size,
    allocate,
    call,
    download,
    fails,
    free_bytes,
    function,
    launch,
    new_stream,
    noise,
    start,
    upload,
)

GLOBAL, HOST = 1, 2
WORDS = 1 << 20
kernel: Handle


def managed(words: int, flags: int = GLOBAL) -> ctypes.Array[ctypes.c_uint32]:
    address = Address()
    call("cuMemAllocManaged", ctypes.byref(address), Size(4 * words), flags)
    assert address.value % 4096 == 0
    return (ctypes.c_uint32 * words).from_address(address.value)


def address_of(data: ctypes.Array[ctypes.c_uint32]) -> Address:
    return Address(ctypes.addressof(data))


def free(data: ctypes.Array[ctypes.c_uint32]) -> None:
    call("cuMemFree_v2", address_of(data))


def add(data: ctypes.Array[ctypes.c_uint32], value: int, stream: object = None) -> None:
    count = len(data)
    code = launch(
        kernel,
        (count + 255) // 256,
        256,
        address_of(data),
        ctypes.c_uint32(value),
        ctypes.c_uint32(count),
        stream=stream,
    )
    assert code == 0, code


def there_and_back() -> None:
    data = managed(WORDS)
    assert not any(data[i] for i in range(0, WORDS, 1000)), "new memory is zero"
    data[:] = array.array("I", range(WORDS))
    add(data, 7)
    call("cuCtxSynchronize")
    assert data[:] == list(range(7, WORDS + 7))
    add(data, 1)
    data[5] = 100  # touching it waits for the GPU
    add(data, 1)
    call("cuCtxSynchronize")
    assert [data[0], data[5], data[6], data[WORDS - 1]] == [9, 101, 15, WORDS + 8]
    free(data)


def small_pieces() -> None:
    """Many allocations side by side, of sizes that are no pages, in streams of their own."""
    pieces = [managed(1 + 37 * i) for i in range(40)]
    streams = []
    for _ in range(4):
        streams.append(Handle())
        call("cuStreamCreate", ctypes.byref(streams[-1]), 1)
    for turn in range(5):
        for number, piece in enumerate(pieces):
            for at in range(len(piece)):
                piece[at] = number + turn
            add(piece, turn, stream=streams[number % 4])
        call("cuCtxSynchronize")
        for number, piece in enumerate(pieces):
            assert set(piece) == {number + 2 * turn}
    for piece in pieces:
        free(piece)


def copies() -> None:
    """Copies and fills see what the program wrote, and the program sees them."""
    data, plain = managed(WORDS), allocate(4 * WORDS)
    data[3] = 33
    call("cuMemcpyDtoD_v2", plain, address_of(data), Size(4 * WORDS))
    assert download(plain, 16)[12:] == b"\x21\0\0\0"
    upload(address_of(data), noise(64))
    random = noise(4 * WORDS)
    call("cuMemcpyHtoD_v2", address_of(data), random, Size(len(random)))
    assert bytes(data) == random
    call("cuMemsetD32_v2", address_of(data), 5, Size(10))
    assert data[:11] == [5] * 10 + [int.from_bytes(random[40:44], "little")]
    data[0] = 6
    assert download(address_of(data), 4) == b"\6\0\0\0"
    call("cuMemcpy", plain, address_of(data), Size(4))
    data[0] = 0
    call("cuMemcpyDtoH_v2", data, plain, Size(4))
    assert data[0] == 6
    free(data)
    call("cuMemFree_v2", plain)


def large_copies() -> None:
    """Copies by memory that the worker shares, of pages that the program has written or not touched."""
    random, out = noise(4 * WORDS), ctypes.create_string_buffer(4 * WORDS)
    written, fresh, partly = managed(WORDS), managed(WORDS), managed(WORDS)
    ctypes.memmove(written, random, len(random))
    call("cuMemcpyDtoH_v2", out, address_of(written), Size(len(random)))
    assert out.raw == random
    call("cuMemcpyHtoD_v2", address_of(fresh), random, Size(len(random)))
    assert bytes(fresh) == random
    call("cuMemcpyHtoD_v2", address_of(partly), random, Size(len(random)))
    partly[5] = 7
    add(partly, 0)
    words = memoryview(random).cast("I")
    assert partly[:8] == [*words[:5], 7, *words[6:8]]
    for data in (written, fresh, partly):
        free(data)


def functions_in_streams() -> None:
    """A function reads what the kernels before it wrote, and those after it see what it wrote."""
    data, stream, seen = managed(WORDS), new_stream(), list[int]()

    def look(_data: object) -> None:
        seen.append(data[0])
        data[1] = 40

    native = HostFunction(look)
    data[:2] = [1, 2]
    add(data, 3, stream)
    call("cuLaunchHostFunc", stream, native, None)
    add(data, 5, stream)
    call("cuStreamSynchronize", stream)
    assert (seen, data[:3]) == ([4], [9, 45, 8])
    free(data)


def attributes() -> None:
    data = managed(1000)
    for attribute, wanted in (
        (2, 2),
        (8, 1),
        (3, ctypes.addressof(data) + 8),
        (4, ctypes.addressof(data) + 8),
    ):
        value = ctypes.c_uint64()
        call("cuPointerGetAttribute", ctypes.byref(value), attribute, Address(ctypes.addressof(data) + 8))
        assert value.value == wanted, (attribute, value.value)
    value = ctypes.c_int()
    for attribute, wanted in ((83, 1), (89, 0), (88, 0)):
        call("cuDeviceGetAttribute", ctypes.byref(value), attribute, 0)
        assert value.value == wanted, attribute
    call("cuMemAdvise", address_of(data), Size(4000), 1, 0)
    call("cuMemRangeGetAttribute", ctypes.byref(value), Size(4), 1, address_of(data), Size(4000))
    assert value.value == 1
    fails(1, "cuMemAdvise", address_of(data), Size(4001), 1, 0)
    fails(1, "cuMemAllocManaged", ctypes.byref(Address()), Size(8), 4)
    free(data)


def system_calls() -> None:
    """A system call does not fetch; memory that was prefetched to the host is there."""
    data = managed(WORDS)
    add(data, 3)
    call("cuMemPrefetchAsync", address_of(data), Size(4 * WORDS), -1, None)
    ends = os.pipe()
    assert os.write(ends[1], bytes(8)) == 8
    assert os.write(ends[1], memoryview(data).cast("B")[:4000]) == 4000
    assert os.read(ends[0], 4008)[8:12] == b"\3\0\0\0"
    call("cuMemPrefetchAsync", address_of(data), Size(4 * WORDS), 0, None)
    assert data[WORDS - 1] == 3
    free(data)


def attached() -> None:
    data = managed(1000, HOST)
    data[0] = 1
    call("cuStreamAttachMemAsync", None, address_of(data), Size(0), GLOBAL)
    add(data, 1)
    call("cuCtxSynchronize")
    assert data[:2] == [2, 1]
    free(data)


def threads() -> None:
    """Several threads touch pages of their own at once."""
    data = managed(WORDS)
    failures = []

    def work(part: int) -> None:
        size = WORDS // 8
        for turn in range(2):
            for at in range(part * size, (part + 1) * size, 501):
                data[at] += part + turn
        if data[part * size] != 2 * part + 11:
            failures.append(part)

    add(data, 10)
    workers = [threading.Thread(target=work, args=(part,)) for part in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    free(data)


def limit() -> None:
    """It counts in the lease, and freeing gives it back."""
    call("cuCtxSynchronize")
    before = free_bytes()
    data = managed(8 << 20)
    assert before - free_bytes() >= 32 << 20
    free(data)
    call("cuCtxSynchronize")
    fails(2, "cuMemAllocManaged", ctypes.byref(Address()), Size(1 << 40), GLOBAL)


def handlers() -> None:
    """A handler that came later is asked for other addresses only; a crash is still a crash."""
    data = managed(1000)
    faulthandler.enable()
    add(data, 1)
    assert data[999] == 1
    free(data)


def in_child(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, __file__, code], capture_output=True, text=True, timeout=40, check=False
    )


def crash() -> None:
    data = managed(1000)
    add(data, 1)
    assert data[0] == 1
    print("before", flush=True)
    ctypes.string_at(8, 1)


def fork() -> None:
    data = managed(1000)
    data[0] = 5
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        print(data[0], flush=True)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGSEGV
    assert data[0] == 5
    add(data, 1)
    assert data[0] == 6
    print("before", flush=True)
    os._exit(0)


def broken() -> None:
    """After a kernel's error the memory can still be touched; the next call says what happened."""
    data = managed(WORDS)
    data[0] = 5
    assert launch(function("poke"), 1, 1, Address(0x7000)) == 0
    assert data[0] in (0, 5)
    data[WORDS - 1] = 1
    fails(700, "cuCtxSynchronize")
    print("before", flush=True)


start()
kernel = function("add")
if len(sys.argv) > 1:
    {"crash": crash, "fork": fork, "broken": broken}[sys.argv[1]]()
else:
    for check in (
        there_and_back, small_pieces, copies, large_copies, functions_in_streams, attributes, system_calls,
        attached, threads, limit, handlers,
    ):  # fmt: skip
        check()
    died = in_child("crash")
    assert (died.stdout, died.returncode) == ("before\n", -signal.SIGSEGV), died
    failed = in_child("broken")
    assert (failed.stdout, failed.returncode) == ("before\n", 0), failed
    forked = in_child("fork")
    assert (forked.stdout, forked.returncode) == ("before\n", 0), forked
    print("ok")
