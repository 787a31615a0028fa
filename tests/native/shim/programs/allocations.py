# SPDX-License-Identifier: BSD-3-Clause
"""cuMemAlloc and cuMemFree where they cost no round trip, and that they keep what natively holds of them.

With a number as its argument it makes as many allocations and frees: the test counts their round trips.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
import threading
import time

from driver import (
    LATE,
    WRITE_LATE,
    Address,
    Handle,
    Size,
    allocate,
    call,
    cuda,
    download,
    fails,
    free_bytes,
    function,
    launch,
    new_stream,
    start,
)

MIB = 1 << 20
SMALL, LARGE = 1 << 16, 5 * MIB
OUT_OF_MEMORY, INVALID_VALUE = 2, 1
KEPT_S = 0.1  # how long an empty grant stays with the process

context = start()


def free(address: Address) -> None:
    call("cuMemFree_v2", address)


def rounds(count: int) -> None:
    for size in (SMALL, LARGE):
        for _ in range(count):
            free(allocate(size))


def steps(count: int) -> None:
    """As programs without a pool do: memory for each step, which is looked at before it is freed."""
    for _ in range(count):
        small, large = allocate(SMALL), allocate(LARGE)
        call("cuMemsetD8_v2", small, 7, Size(SMALL))
        call("cuMemcpyDtoD_v2", large, small, Size(SMALL))
        assert download(large, 4) == b"\7\7\7\7"
        free(large)
        free(small)


def blocks_do_not_overlap() -> None:
    sizes = [1, 511, 512, 513, 4096, SMALL, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, LARGE] * 3
    blocks = sorted((allocate(size).value, size) for size in sizes)
    for (at, size), (after, _) in itertools.pairwise(blocks):
        assert at % 512 == 0
        assert at + size <= after
    for at, size in blocks:
        base, length = Address(), Size()
        call("cuMemGetAddressRange_v2", ctypes.byref(base), ctypes.byref(length), Address(at + size - 1))
        assert (base.value, length.value) == (at, size)
        free(Address(at))


def memory_in_use_is_not_handed_out_again() -> None:
    """Natively a free waits for the kernel that writes the block late."""
    kernel, stream = function("write_late", WRITE_LATE), new_stream()
    for size in (SMALL, LARGE):
        block = allocate(size)
        assert launch(kernel, 1, 1, block, ctypes.c_uint32(LATE), stream=stream) == 0
        free(block)
        others = [allocate(size) for _ in range(8)]
        assert block.value not in [other.value for other in others]
        for other in others:
            call("cuMemsetD8_v2", other, 1, Size(size))
        call("cuCtxSynchronize")
        for other in others:
            assert download(other, 4) == b"\1\1\1\1"
            free(other)


def every_byte_is_told() -> None:
    before = free_bytes()
    blocks = []
    for size, taken in ((100, 512), (512, 512), (SMALL, SMALL), (2 * MIB, 2 * MIB), (LARGE, 6 * MIB)):
        left = free_bytes()
        blocks.append(allocate(size))
        assert left - free_bytes() == taken, size
    for block in blocks:
        free(block)
    assert free_bytes() == before
    time.sleep(3 * KEPT_S)
    assert free_bytes() == before


def fill(size: int) -> list[Address]:
    blocks = []
    while True:
        address = Address()
        result = cuda.cuMemAlloc_v2(ctypes.byref(address), Size(size))
        if result:
            assert result == OUT_OF_MEMORY
            return blocks
        blocks.append(address)


def the_limit_is_told_by_the_call_that_meets_it() -> None:
    room = free_bytes()
    assert room == 204 * MIB  # 0.1 of 2 GiB, whole MiB
    fails(OUT_OF_MEMORY, "cuMemAlloc_v2", ctypes.byref(Address()), Size(room + 1))
    for size in (2 * MIB, MIB, SMALL):
        blocks = fill(size)
        assert len(blocks) == room // size
        assert free_bytes() == 0
        free(blocks.pop(3))
        blocks += fill(size)
        assert len(blocks) == room // size
        for block in blocks:
            free(block)
        assert free_bytes() == room
    free(allocate(room))


def what_rests_is_had_when_it_is_needed() -> None:
    room = free_bytes()
    blocks = fill(MIB)
    for block in blocks:
        call("cuMemsetD8_v2", block, 1, Size(MIB))
        free(block)
    small = allocate(100)
    call("cuMemsetD8_v2", small, 1, Size(100))
    free(allocate(room - 2 * MIB))
    free(small)


def bad_frees_are_refused() -> None:
    small, large, pooled = allocate(SMALL), allocate(LARGE), Address()
    for address in (small, large):
        fails(INVALID_VALUE, "cuMemFree_v2", Address(address.value + 512))
        free(address)
        fails(INVALID_VALUE, "cuMemFree_v2", address)
        fails(INVALID_VALUE, "cuMemcpyDtoH_v2", (ctypes.c_char * 4)(), address, Size(4))
    call("cuMemAllocAsync", ctypes.byref(pooled), Size(100), None)
    free(pooled)
    call("cuMemFreeAsync", allocate(100), None)
    call("cuCtxSynchronize")


def threads_have_memory_of_their_own() -> None:
    wrong = []

    def work(value: int) -> None:
        call("cuCtxSetCurrent", context)
        for step in range(60):
            size = 1000 * (1 + value * step % 300)
            block = allocate(size)
            call("cuMemsetD8_v2", block, value, Size(size))
            if step % 3 == 0 and download(block, size) != bytes([value]) * size:
                wrong.append((value, step))
            free(block)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    call("cuCtxSynchronize")


def memory_ends_with_its_context() -> None:
    before, other, current = free_bytes(), Handle(), Handle()
    call("cuCtxCreate_v2", ctypes.byref(other), 0, 0)
    lost = [allocate(SMALL), allocate(LARGE)]
    free(allocate(SMALL))
    call("cuCtxPopCurrent_v2", ctypes.byref(current))
    call("cuCtxDestroy_v2", other)
    assert free_bytes() == before
    for address in lost:
        fails(INVALID_VALUE, "cuMemFree_v2", address)
    call("cuCtxSynchronize")


if len(sys.argv) > 2:
    {"rounds": rounds, "steps": steps}[sys.argv[1]](int(sys.argv[2]))
else:
    for check in (
        blocks_do_not_overlap,
        memory_in_use_is_not_handed_out_again,
        every_byte_is_told,
        the_limit_is_told_by_the_call_that_meets_it,
        what_rests_is_had_when_it_is_needed,
        bad_frees_are_refused,
        threads_have_memory_of_their_own,
        memory_ends_with_its_context,
    ):
        check()
        assert free_bytes() == 204 * MIB, check.__name__
print("ok")
