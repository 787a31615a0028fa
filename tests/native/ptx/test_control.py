# SPDX-License-Identifier: BSD-3-Clause
"""Divergence and reconvergence, barriers in all their forms, threads of a warp that wait for each other."""

from __future__ import annotations

import numpy as np
import pytest

from .harness import Driver, kernel

# %r0 = tid.x, %r31 = global index, %l0 = its slot in out
PROLOGUE = """
    mov.u32 %r0, %tid.x;
    mov.u32 %r30, %ctaid.x;
    mov.u32 %r29, %ntid.x;
    mad.lo.u32 %r31, %r30, %r29, %r0;
    ld.param.u64 %l0, [out];
    mul.wide.u32 %l31, %r31, 4;
    add.u64 %l0, %l0, %l31;
"""


def run(gpu: Driver, body: str, threads: int, *, blocks: int = 1, scope: str = "", **more: int) -> list[int]:
    out = gpu.zeros(threads * blocks, np.uint32)
    gpu.run(kernel(PROLOGUE + body, scope=scope), blocks, threads, [out], **more)
    return list(out.get(np.uint32).tolist())


def test_nested_branches(gpu: Driver) -> None:
    body = """
        and.b32 %r1, %r0, 1;
        and.b32 %r2, %r0, 2;
        setp.eq.u32 %p0, %r1, 0;
        setp.eq.u32 %p1, %r2, 0;
        mov.u32 %r3, 1000;
        @%p0 bra $even;
        @%p1 bra $odd_low;
        add.u32 %r3, %r3, 30;
        bra.uni $join_odd;
    $odd_low:
        add.u32 %r3, %r3, 10;
    $join_odd:
        add.u32 %r3, %r3, 1;
        bra $join;
    $even:
        @!%p1 bra $even_high;
        add.u32 %r3, %r3, 500;
    $even_high:
        add.u32 %r3, %r3, 2;
    $join:
        add.u32 %r3, %r3, %r0;
        st.global.u32 [%l0], %r3;
    """

    def want(t: int) -> int:
        if t & 1:
            return 1000 + (10 if not t & 2 else 30) + 1 + t
        return 1000 + (500 if not t & 2 else 0) + 2 + t

    assert run(gpu, body, 100, blocks=3) == [want(t) for t in range(100)] * 3


def test_loops_with_lane_dependent_trip_counts(gpu: Driver) -> None:
    """Collatz steps: every lane leaves at its own time, and all meet again behind the loop."""
    body = """
        add.u32 %r1, %r31, 1;
        mov.u32 %r2, 0;
    $head:
        setp.eq.u32 %p0, %r1, 1;
        @%p0 bra $done;
        and.b32 %r3, %r1, 1;
        setp.eq.u32 %p1, %r3, 0;
        @%p1 shr.u32 %r1, %r1, 1;
        @%p1 bra $next;
        mad.lo.u32 %r1, %r1, 3, 1;
    $next:
        add.u32 %r2, %r2, 1;
        bra $head;
    $done:
        activemask.b32 %r4;
        st.global.u32 [%l0], %r2;
    """

    def steps(n: int) -> int:
        count = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            count += 1
        return count

    assert run(gpu, body, 128, blocks=4) == [steps(i + 1) for i in range(512)]


def test_reconvergence_after_a_branch(gpu: Driver) -> None:
    """bar.warp.sync brings the two sides together: every lane then sees the whole warp."""
    body = """
        and.b32 %r1, %r0, 1;
        setp.eq.u32 %p0, %r1, 0;
        @%p0 bra $even;
        bar.warp.sync 0xAAAAAAAA;
        bra $join;
    $even:
        bar.warp.sync 0x55555555;
    $join:
        bar.warp.sync 0xFFFFFFFF;
        vote.sync.ballot.b32 %r2, 1, 0xFFFFFFFF;
        st.global.u32 [%l0], %r2;
    """
    assert run(gpu, body, 32) == [0xFFFFFFFF] * 32


def test_predicated_exit_and_ret(gpu: Driver) -> None:
    body = """
        setp.gt.u32 %p0, %r0, 40;
        @%p0 exit;
        mov.u32 %r1, 1;
        st.global.u32 [%l0], %r1;
        setp.gt.u32 %p0, %r0, 20;
        @%p0 ret;
        mov.u32 %r1, 2;
        st.global.u32 [%l0], %r1;
    """
    assert run(gpu, body, 64) == [2] * 21 + [1] * 20 + [0] * 23


def test_early_exit_before_a_barrier(gpu: Driver) -> None:
    """Threads that have left count as arrived."""
    body = """
        setp.ge.u32 %p0, %r0, 37;
        @%p0 exit;
        setp.ne.u32 %p1, %r0, 36;
        @%p1 bra $wait;
        mov.u32 %r1, 99;
        st.shared.u32 [cell], %r1;
    $wait:
        bar.sync 0;
        ld.shared.u32 %r2, [cell];
        st.global.u32 [%l0], %r2;
    """
    assert run(gpu, body, 128, scope=".shared .u32 cell;") == [99] * 37 + [0] * 91


def test_barrier_in_divergent_code(gpu: Driver) -> None:
    """The two sides of a branch meet at one barrier from two different places (barrier.sync, not aligned)."""
    body = """
        and.b32 %r1, %r0, 1;
        setp.eq.u32 %p0, %r1, 0;
        mul.wide.u32 %l1, %r0, 4;
        mov.u64 %l2, cells;
        add.u64 %l2, %l2, %l1;
        xor.b32 %r5, %r0, 1;
        mul.wide.u32 %l3, %r5, 4;
        mov.u64 %l4, cells;
        add.u64 %l4, %l4, %l3;
        @%p0 bra $even;
        mul.lo.u32 %r2, %r0, 10;
        st.shared.u32 [%l2], %r2;
        barrier.sync 0;
        ld.shared.u32 %r3, [%l4];
        bra $join;
    $even:
        mul.lo.u32 %r2, %r0, 100;
        st.shared.u32 [%l2], %r2;
        barrier.sync 0;
        ld.shared.u32 %r3, [%l4];
    $join:
        st.global.u32 [%l0], %r3;
    """
    want = [(t ^ 1) * (10 if (t ^ 1) & 1 else 100) for t in range(96)]
    assert run(gpu, body, 96, scope=".shared .align 4 .b8 cells[384];") == want


def test_many_barriers_in_a_loop(gpu: Driver) -> None:
    """A rotating sum: each round reads what the neighbour wrote in the round before."""
    body = """
        mov.u64 %l1, cells;
        mul.wide.u32 %l2, %r0, 4;
        add.u64 %l3, %l1, %l2;
        add.u32 %r1, %r0, 1;
        rem.u32 %r1, %r1, %r29;
        mul.wide.u32 %l2, %r1, 4;
        add.u64 %l4, %l1, %l2;
        mov.u32 %r2, %r0;
        mov.u32 %r3, 0;
    $round:
        st.shared.u32 [%l3], %r2;
        bar.sync 0;
        ld.shared.u32 %r2, [%l4];
        bar.sync 0;
        add.u32 %r3, %r3, 1;
        setp.lt.u32 %p0, %r3, 50;
        @%p0 bra $round;
        st.global.u32 [%l0], %r2;
    """
    got = run(gpu, body, 160, blocks=4, scope=".shared .align 4 .b8 cells[640];")
    assert got == [(t + 50) % 160 for t in range(160)] * 4


def test_named_barriers_with_counts(gpu: Driver) -> None:
    """Two halves of the block each meet at a barrier of their own, with their own thread count."""
    body = """
        shr.u32 %r1, %r0, 6;
        add.u32 %r2, %r1, 1;
        and.b32 %r3, %r0, 63;
        mov.u64 %l1, cells;
        mul.wide.u32 %l2, %r0, 4;
        add.u64 %l3, %l1, %l2;
        st.shared.u32 [%l3], %r0;
        bar.sync %r2, 64;
        sub.u32 %r4, 63, %r3;
        mad.lo.u32 %r4, %r1, 64, %r4;
        mul.wide.u32 %l2, %r4, 4;
        add.u64 %l3, %l1, %l2;
        ld.shared.u32 %r5, [%l3];
        st.global.u32 [%l0], %r5;
    """
    got = run(gpu, body, 128, scope=".shared .align 4 .b8 cells[512];")
    assert got == list(range(63, -1, -1)) + list(range(127, 63, -1))


def test_producers_and_consumers(gpu: Driver) -> None:
    """bar.arrive does not wait: a producer warp fills a buffer round by round, a consumer warp drains it."""
    body = """
        and.b32 %r1, %r0, 31;
        mul.wide.u32 %l1, %r1, 4;
        mov.u64 %l2, cells;
        add.u64 %l2, %l2, %l1;
        setp.ge.u32 %p0, %r0, 32;
        mov.u32 %r2, 0;
        mov.u32 %r5, 0;
        @%p0 bra $consume;
    $produce:
        bar.sync 2, 64;                 // the buffer is empty
        mad.lo.u32 %r3, %r2, 100, %r1;
        st.shared.u32 [%l2], %r3;
        membar.cta;
        bar.arrive 1, 64;               // the buffer is full
        add.u32 %r2, %r2, 1;
        setp.lt.u32 %p1, %r2, 10;
        @%p1 bra $produce;
        bra $out;
    $consume:
        bar.arrive 2, 64;
        bar.sync 1, 64;
        ld.shared.u32 %r4, [%l2];
        add.u32 %r5, %r5, %r4;
        add.u32 %r2, %r2, 1;
        setp.lt.u32 %p1, %r2, 10;
        @%p1 bra $consume;
    $out:
        st.global.u32 [%l0], %r5;
    """
    got = run(gpu, body, 64, blocks=3, scope=".shared .align 4 .b8 cells[128];")
    assert got == ([0] * 32 + [4500 + 10 * lane for lane in range(32)]) * 3


@pytest.mark.parametrize("spelling", ["bar.red", "barrier.red", "barrier.cta.red"])
def test_barrier_reductions(gpu: Driver, spelling: str) -> None:
    aligned = ".aligned" if spelling.startswith("barrier") else ""
    body = f"""
        setp.lt.u32 %p0, %r0, 70;
        {spelling}.popc{aligned}.u32 %r1, 0, %p0;
        {spelling}.and{aligned}.pred %p1, 0, %p0;
        {spelling}.or{aligned}.pred %p2, 0, %p0;
        {spelling}.popc{aligned}.u32 %r2, 0, !%p0;
        setp.lt.u32 %p3, %r0, 1000;
        {spelling}.and{aligned}.pred %p4, 0, %p3;
        selp.u32 %r3, 1000, 0, %p1;
        selp.u32 %r4, 10000, 0, %p2;
        selp.u32 %r5, 100000, 0, %p4;
        mad.lo.u32 %r1, %r2, 1000000, %r1;
        add.u32 %r1, %r1, %r3; add.u32 %r1, %r1, %r4; add.u32 %r1, %r1, %r5;
        st.global.u32 [%l0], %r1;
    """
    assert run(gpu, body, 128) == [70 + 10000 + 100000 + 58 * 1000000] * 128


@pytest.mark.parametrize("barrier", ["bar.sync 0;", "barrier.sync.aligned 0;", "barrier.cta.sync 0;",
                                     "bar.cta.sync 3;", "barrier.sync 15;", "bar.sync 0, 128;"])  # fmt: skip
def test_barrier_spellings(gpu: Driver, barrier: str) -> None:
    body = f"""
        mul.wide.u32 %l1, %r0, 4;
        mov.u64 %l2, cells;
        add.u64 %l3, %l2, %l1;
        st.shared.u32 [%l3], %r0;
        {barrier}
        sub.u32 %r1, 127, %r0;
        mul.wide.u32 %l1, %r1, 4;
        add.u64 %l3, %l2, %l1;
        ld.shared.u32 %r2, [%l3];
        st.global.u32 [%l0], %r2;
    """
    got = run(gpu, body, 128, scope=".shared .align 4 .b8 cells[512];")
    assert got == list(range(127, -1, -1))


def test_spin_lock_between_lanes_of_a_warp(gpu: Driver) -> None:
    """Independent thread scheduling: the lane that holds the lock goes on while the others spin on it."""
    body = """
    $try:
        atom.shared.cas.b32 %r1, [lock], 0, 1;
        setp.ne.u32 %p0, %r1, 0;
        @%p0 bra $try;
        ld.volatile.shared.u32 %r2, [count];
        add.u32 %r2, %r2, 1;
        st.volatile.shared.u32 [count], %r2;
        membar.cta;
        atom.shared.exch.b32 %r3, [lock], 0;
        bar.sync 0;
        ld.shared.u32 %r4, [count];
        st.global.u32 [%l0], %r4;
    """
    scope = ".shared .u32 lock;\n.shared .u32 count;"
    clear = """
        setp.ne.u32 %p1, %r0, 0;
        @%p1 bra $cleared;
        mov.u32 %r9, 0;
        st.shared.u32 [lock], %r9;
        st.shared.u32 [count], %r9;
    $cleared:
        bar.sync 0;
    """
    assert run(gpu, clear + body, 96, scope=scope) == [96] * 96


def test_one_lane_waits_for_another(gpu: Driver) -> None:
    """Lane 0 spins on a flag that lane 31 of the same warp sets later in the program."""
    body = """
        mov.u32 %r9, 0;
        setp.eq.u32 %p0, %r0, 0;
        @%p0 st.volatile.shared.u32 [flag], %r9;
        bar.warp.sync 0xFFFFFFFF;
        setp.eq.u32 %p1, %r0, 31;
        @%p1 bra $set;
        setp.ne.u32 %p2, %r0, 0;
        @%p2 bra $out;
    $spin:
        ld.volatile.shared.u32 %r1, [flag];
        setp.eq.u32 %p3, %r1, 0;
        @%p3 bra $spin;
        st.global.u32 [%l0], %r1;
        bra $out;
    $set:
        mov.u32 %r2, 42;
        st.volatile.shared.u32 [flag], %r2;
    $out:
        ret;
    """
    assert run(gpu, body, 32, scope=".shared .u32 flag;")[0] == 42


def test_blocks_wait_for_flags_of_other_blocks(gpu: Driver) -> None:
    """Block n waits for the flag of block n + 1, but for the last: resident blocks must all make progress."""
    resident = min(gpu.attribute(16), 16)  # one block on each multiprocessor
    body = """
        setp.ne.u32 %p0, %r0, 0;
        @%p0 bra $out;
        mov.u32 %r1, %nctaid.x;
        sub.u32 %r1, %r1, 1;
        setp.eq.u32 %p1, %r30, %r1;
        mov.u32 %r2, 1;
        @%p1 bra $publish;
    $spin:
        ld.acquire.gpu.global.u32 %r2, [%l0+4];
        setp.eq.u32 %p2, %r2, 0;
        @%p2 bra $spin;
        add.u32 %r2, %r2, 1;
    $publish:
        st.release.gpu.global.u32 [%l0], %r2;
    $out:
        ret;
    """
    assert run(gpu, body, 1, blocks=resident) == list(range(resident, 0, -1))


def test_last_block_sees_everything(gpu: Driver) -> None:
    """The threadFenceReduction pattern: a fence, then a counter, then the last block sums it all."""
    body = """
        setp.ne.u32 %p0, %r0, 0;
        @%p0 exit;
        add.u32 %r1, %r30, 1;
        st.global.u32 [%l0], %r1;
        membar.gl;
        mov.u32 %r2, %nctaid.x;
        sub.u32 %r3, %r2, 1;
        atom.global.inc.u32 %r4, [tickets], %r3;
        setp.ne.u32 %p1, %r4, %r3;
        @%p1 exit;
        ld.param.u64 %l1, [out];
        mov.u32 %r5, 0;
        mov.u32 %r6, 0;
    $sum:
        ld.volatile.global.u32 %r7, [%l1];
        add.u32 %r6, %r6, %r7;
        add.u64 %l1, %l1, 128;
        add.u32 %r5, %r5, 1;
        setp.lt.u32 %p2, %r5, %r2;
        @%p2 bra $sum;
        ld.param.u64 %l1, [out];
        st.global.u32 [%l1+4], %r6;
    """
    got = run(gpu, body, 32, blocks=200, scope=".global .u32 tickets;")
    assert got[1] == 200 * 201 // 2


def test_indexed_branch(gpu: Driver) -> None:
    """brx.idx: every lane takes its own label."""
    body = """
    $table: .branchtargets $zero, $one, $two, $three;
        and.b32 %r1, %r0, 3;
        brx.idx %r1, $table;
    $zero:  mov.u32 %r2, 5;   bra $join;
    $one:   mov.u32 %r2, 50;  bra $join;
    $two:   mov.u32 %r2, 500; bra $join;
    $three: mov.u32 %r2, 5000;
    $join:
        st.global.u32 [%l0], %r2;
    """
    assert run(gpu, body, 64) == [5, 50, 500, 5000] * 16


def test_nanosleep_and_large_blocks(gpu: Driver) -> None:
    body = "nanosleep.u32 100; bar.sync 0; add.u32 %r1, %r0, 7; st.global.u32 [%l0], %r1;"
    assert run(gpu, body, 1024, blocks=5) == [t + 7 for t in range(1024)] * 5


def test_irreducible_flow(gpu: Driver) -> None:
    """A jump into the middle of a loop."""
    body = """
        mov.u32 %r1, 0;
        and.b32 %r2, %r0, 1;
        setp.eq.u32 %p0, %r2, 1;
        @%p0 bra $middle;
    $top:
        add.u32 %r1, %r1, 1;
    $middle:
        add.u32 %r1, %r1, 10;
        setp.lt.u32 %p1, %r1, %r0;
        @%p1 bra $top;
        st.global.u32 [%l0], %r1;
    """

    def want(t: int) -> int:
        total = 10 if t & 1 else 11
        while total < t:
            total += 11
        return total

    assert run(gpu, body, 64) == [want(t) for t in range(64)]


def test_guarded_instructions_of_every_kind(gpu: Driver) -> None:
    """A predicate that is false keeps the old value and does not touch memory."""
    body = """
        setp.lt.u32 %p0, %r0, 8;
        mov.u32 %r1, 3;
        mov.u64 %l5, 0;
        @%p0 ld.global.u32 %r1, [%l0];
        @!%p0 add.u32 %r1, %r1, %r0;
        @!%p0 bra $skip;
        bra $store;
    $skip:
        setp.ne.u64 %p2, %l5, 0;
        @%p2 ld.global.u32 %r1, [%l5];
        @%p2 atom.global.add.u32 %r2, [%l5], 1;
        @%p2 st.global.u32 [%l5], %r1;
    $store:
        st.global.u32 [%l0], %r1;
    """
    assert run(gpu, body, 40) == [0] * 8 + [3 + t for t in range(8, 40)]
