# SPDX-License-Identifier: BSD-3-Clause
"""Memory in the order of streams: who gets what was freed, and what pools tell of themselves.

With a size in bytes and a number as arguments it takes and frees as often: the test counts the round trips.
"""

from __future__ import annotations

import ctypes
import random
import sys
import threading
from ctypes import byref

from driver import Address, Handle, Size, call, fails, free_bytes, held, new_stream, start

MIB = 1 << 20
INVALID_VALUE, OUT_OF_MEMORY, NOT_READY = 1, 2, 600
THRESHOLD, RESERVED, RESERVED_HIGH, USED, USED_HIGH = 4, 5, 6, 7, 8
FOLLOW_EVENTS = 1


def take(size: int, stream: Handle, pool: Handle | None = None) -> Address:
    address = Address()
    if pool is None:
        call("cuMemAllocAsync", byref(address), Size(size), stream)
    else:
        call("cuMemAllocFromPoolAsync", byref(address), Size(size), pool, stream)
    return address


def free(address: Address, stream: Handle) -> None:
    call("cuMemFreeAsync", address, stream)


def fill(address: Address, value: int, size: int, stream: Handle) -> None:
    call("cuMemsetD8Async", address, value, Size(size), stream)


def figure(pool: Handle, which: int) -> int:
    value = ctypes.c_uint64()
    call("cuMemPoolGetAttribute", pool, which, byref(value))
    return value.value


def new_pool(max_size: int = 0) -> Handle:
    pool = Handle()
    properties = (ctypes.c_uint32 * 22)(1, 0, 1, 0)  # pinned, no handles, on device 0
    ctypes.c_size_t.from_buffer(properties, 24).value = max_size
    call("cuMemPoolCreate", byref(pool), properties)
    return pool


def rounds(size: int, count: int) -> None:
    """As programs do whose steps take what they need."""
    stream = new_stream()
    for _ in range(count):
        first, second = take(size, stream), take(size // 2, stream)
        fill(first, 1, size, stream)
        fill(second, 2, size // 2, stream)
        free(first, stream)
        free(second, stream)
    call("cuStreamSynchronize", stream)


def the_same_stream_has_it_again_at_once() -> None:
    one, other = new_stream(), new_stream()
    for size in (1000, 3 * MIB, 40 * MIB):
        with held(one):
            first = take(size, one)
            fill(first, 1, size, one)
            free(first, one)
            again = take(size, one)
            assert again.value == first.value
            free(again, one)
            elsewhere = take(size, other)
            assert elsewhere.value != first.value
            free(elsewhere, other)
            fails(NOT_READY, "cuStreamQuery", one)
        call("cuCtxSynchronize")


def what_was_freed_in_order_is_free_after_it() -> None:
    stream, before = new_stream(), free_bytes()
    block = take(before - 4 * MIB, stream)
    fill(block, 1, before - 4 * MIB, stream)
    free(block, stream)
    for kind in ("cuMemAlloc_v2", "cuMemAllocAsync"):
        large = Address()
        more = () if kind == "cuMemAlloc_v2" else (new_stream(),)
        call(kind, byref(large), Size(before - 2 * MIB), *more)
        call("cuMemFree_v2", large)
    fails(OUT_OF_MEMORY, "cuMemAllocAsync", byref(Address()), Size(before + 1), stream)
    call("cuCtxSynchronize")
    assert free_bytes() == before


def a_pool_tells_what_is_in_use() -> None:
    pool, stream = new_pool(8 * MIB), new_stream()
    assert [figure(pool, which) for which in (RESERVED, USED, USED_HIGH, THRESHOLD)] == [0, 0, 0, 0]
    blocks = [take(size, stream, pool) for size in (1, 1000, 3 * MIB)]
    assert figure(pool, USED) == figure(pool, USED_HIGH) == 512 + 1024 + 3 * MIB
    fails(OUT_OF_MEMORY, "cuMemAllocFromPoolAsync", byref(Address()), Size(5 * MIB), pool, stream)
    free(blocks[2], stream)
    call("cuMemFree_v2", blocks[1])
    assert (figure(pool, USED), figure(pool, USED_HIGH)) == (512, 1536 + 3 * MIB)
    zero, one = ctypes.c_uint64(0), ctypes.c_uint64(1)
    fails(INVALID_VALUE, "cuMemPoolSetAttribute", pool, USED_HIGH, byref(one))
    fails(INVALID_VALUE, "cuMemPoolSetAttribute", pool, USED, byref(zero))
    call("cuMemPoolSetAttribute", pool, USED_HIGH, byref(zero))
    assert figure(pool, USED_HIGH) == figure(pool, RESERVED_HIGH) == 512
    off = ctypes.c_int(0)
    call("cuMemPoolSetAttribute", pool, FOLLOW_EVENTS, byref(off))
    assert figure(pool, FOLLOW_EVENTS) == 0
    call("cuMemPoolTrimTo", pool, Size(0))
    call("cuMemPoolDestroy", pool)
    fails(INVALID_VALUE, "cuMemPoolTrimTo", pool, Size(0))
    fill(blocks[0], 7, 1, stream)  # it outlives the pool
    free(blocks[0], stream)
    another = new_pool()
    assert figure(another, USED) == figure(another, USED_HIGH) == 0
    call("cuStreamSynchronize", stream)


def memory_ends_with_its_context() -> None:
    pool, other, stream = new_pool(), Handle(), Handle()
    call("cuCtxCreate_v2", byref(other), 0, 0)
    call("cuStreamCreate", byref(stream), 0)
    lost = take(MIB, stream, pool)
    assert figure(pool, USED) == MIB
    call("cuCtxDestroy_v2", other)
    call("cuCtxSetCurrent", context)
    assert figure(pool, USED) == 0
    fails(INVALID_VALUE, "cuMemFreeAsync", lost, None)


def streams_do_not_see_each_others_bytes() -> None:
    wrong = []

    def work(number: int) -> None:
        call("cuCtxSetCurrent", context)
        chance, stream = random.Random(number), new_stream()
        live: list[tuple[Address, int, int]] = []
        for step in range(300):
            size = chance.choice([100, 5000, 70_000, 3 * MIB])
            value = (number * 50 + step) % 256
            block = take(size, stream)
            fill(block, value, size, stream)
            live.append((block, value, size))
            if chance.random() < 0.6:
                block, value, size = live.pop(chance.randrange(len(live)))
                out = ctypes.create_string_buffer(64)
                call("cuMemcpyDtoHAsync_v2", out, Address(block.value + size - 64), Size(64), stream)
                call("cuStreamSynchronize", stream)
                if out.raw != bytes([value]) * 64:
                    wrong.append((number, step))
                free(block, stream)
            while len(live) > 6:
                free(live.pop(0)[0], stream)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


context = start()
if len(sys.argv) > 2:
    rounds(int(sys.argv[1]), int(sys.argv[2]))
else:
    the_same_stream_has_it_again_at_once()
    what_was_freed_in_order_is_free_after_it()
    a_pool_tells_what_is_in_use()
    memory_ends_with_its_context()
    streams_do_not_see_each_others_bytes()
print("ok")
