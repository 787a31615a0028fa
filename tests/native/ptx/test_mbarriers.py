# SPDX-License-Identifier: BSD-3-Clause
"""Barriers that are variables in shared memory (mbarrier), and asynchronous copies that arrive at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .harness import Driver, kernel

PTX = (Path(__file__).parent / "kernels" / "arrivals.ptx").read_text()


def launch(gpu: Driver, name: str, threads: int, args: list[Any]) -> None:
    module = gpu.load(PTX)
    gpu.launch(module.function(name), 1, threads, args)


def numbers(count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 1000, count).astype(np.int32)


def test_producers_and_consumers(gpu: Driver) -> None:
    data = numbers(20 * 64)
    out = gpu.zeros(20 * 64, np.int32)
    launch(gpu, "hand_over", 128, [out, gpu.upload(data), np.int32(20)])
    np.testing.assert_array_equal(out.get(np.int32).reshape(20, 64), data.reshape(20, 64)[:, ::-1] * 2)


def test_copies_that_arrive(gpu: Driver) -> None:
    data, out = numbers(128), gpu.zeros(128, np.int32)
    launch(gpu, "copied", 128, [out, gpu.upload(data)])
    np.testing.assert_array_equal(out.get(np.int32), data.reshape(64, 2)[:, ::-1].ravel())


def test_threads_that_leave(gpu: Driver) -> None:
    out = gpu.zeros(64, np.int32)
    launch(gpu, "leavers", 64, [out])
    # In round r, r + 1 threads have left for good.
    want = np.cumsum(63 - np.arange(63))
    np.testing.assert_array_equal(out.get(np.int32)[:63], want)


def test_stages(gpu: Driver) -> None:
    data, out = numbers(9 * 64), gpu.zeros(64, np.int32)
    launch(gpu, "stages", 64, [out, gpu.upload(data), np.int32(9)])
    tiles = data.reshape(9, 64)
    want = [sum(tiles[k][(i + k) % 64] for k in range(9)) for i in range(64)]
    assert out.get(np.int32).tolist() == want


@pytest.mark.parametrize("space", ["", ".shared"])
def test_counts_and_phases(gpu: Driver, space: str) -> None:
    """What each instruction gives, one thread after the other, by a shared or a generic address."""
    generic = "cvta.shared.u64 %l1, %l1;" if not space else ""
    ptx = kernel(f"""
        ld.param.u64 %l0, [out];
        mov.u64 %l1, bar;
        {generic}
        mov.u32 %r9, 0;
        mbarrier.init{space}.b64 [%l1], 3;
        mbarrier.arrive.noComplete{space}.b64 %l2, [%l1], 2;
        mbarrier.pending_count.b64 %r0, %l2;
        mbarrier.test_wait{space}.b64 %p0, [%l1], %l2;
        selp.u32 %r1, 1, 0, %p0;
        mbarrier.arrive{space}.b64 %l3, [%l1];
        mbarrier.pending_count.b64 %r2, %l3;
        mbarrier.test_wait{space}.b64 %p0, [%l1], %l2;
        selp.u32 %r3, 1, 0, %p0;
        mbarrier.test_wait.parity{space}.b64 %p0, [%l1], 0;
        selp.u32 %r4, 1, 0, %p0;
        mbarrier.test_wait.parity{space}.b64 %p0, [%l1], 1;
        selp.u32 %r5, 1, 0, %p0;
        mbarrier.arrive_drop{space}.b64 _, [%l1];
        mbarrier.arrive{space}.b64 %l4, [%l1];
        mbarrier.pending_count.b64 %r6, %l4;
        cp.async.mbarrier.arrive.noinc{space}.b64 [%l1];
        mbarrier.arrive{space}.b64 %l5, [%l1];
        mbarrier.pending_count.b64 %r7, %l5;
        mbarrier.inval{space}.b64 [%l1];
        st.global.v4.u32 [%l0], {{%r0, %r1, %r2, %r3}};
        st.global.v4.u32 [%l0+16], {{%r4, %r5, %r6, %r7}};
        """, scope=".shared .align 8 .b64 bar;")  # fmt: skip
    out = gpu.zeros(8, np.uint32)
    gpu.run(ptx, 1, 1, [out])
    # Three arrivals; after the drop two a phase, the second phase ending with the copy's.
    assert out.get(np.uint32).tolist() == [3, 0, 1, 1, 1, 0, 2, 2]
