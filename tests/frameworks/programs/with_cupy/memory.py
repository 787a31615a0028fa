# SPDX-License-Identifier: BSD-3-Clause
"""CuPy's memory pools, pinned memory, and the limit of the lease: 2 GiB."""

from __future__ import annotations

import cupy
import numpy as np

MIB = 1 << 20


def held() -> int:
    free, total = cupy.cuda.Device().mem_info
    assert total == 2048 * MIB
    return total - free


def pool() -> None:
    pool = cupy.get_default_memory_pool()
    numbers = cupy.empty(64 * MIB, dtype=cupy.uint8)
    assert pool.used_bytes() == 64 * MIB
    assert held() >= 64 * MIB
    del numbers
    assert pool.used_bytes() == 0
    assert pool.total_bytes() == 64 * MIB, "kept for the next array"
    pool.free_all_blocks()
    assert pool.total_bytes() == held() == 0
    pool.set_limit(size=32 * MIB)
    assert not fits(64 * MIB)
    pool.set_limit(size=0)


def fits(size: int) -> bool:
    try:
        cupy.empty(size, dtype=cupy.uint8)
    except cupy.cuda.memory.OutOfMemoryError:
        return False
    return True


def limit() -> None:
    assert fits(2000 * MIB)
    cupy.get_default_memory_pool().free_all_blocks()
    assert not fits(2049 * MIB)
    assert fits(100 * MIB), "after a refusal there is room as before"
    cupy.get_default_memory_pool().free_all_blocks()


def pinned() -> None:
    memory = cupy.cuda.alloc_pinned_memory(4000)
    host = np.frombuffer(memory, np.float32, 1000)
    host[:] = np.arange(1000)
    there = cupy.empty(1000, dtype=cupy.float32)
    stream = cupy.cuda.Stream(non_blocking=True)
    there.set(host, stream=stream)
    back = there.get(stream=stream, blocking=True)
    assert np.array_equal(back, host)


def stream_ordered() -> None:
    with cupy.cuda.using_allocator(cupy.cuda.MemoryAsyncPool().malloc):
        numbers = cupy.arange(1000)
        assert int((numbers + 1)[-1]) == 1000


pool()
limit()
pinned()
stream_ordered()
print("ok")
