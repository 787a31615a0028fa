# SPDX-License-Identifier: BSD-3-Clause
"""Warp-level instructions: shfl, vote, match, activemask, redux, elect, also with lanes missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .harness import HEADER, SM_90, Driver, kernel, sm_90_or_skip

FULL = 0xFFFFFFFF


def lanes(gpu: Driver, body: str, data: list[int], outs: int = 1, threads: int = 32,
          header: str = HEADER) -> list[list[int]]:  # fmt: skip
    """Runs one warp (or more): %r0 = lane's input, %r1 = lane; results in %r10, %r11, … one list each."""
    stores = "\n".join(f"st.global.u32 [%l0+{4 * threads * i}], %r{10 + i};" for i in range(outs))
    ptx = kernel(f"""
        mov.u32 %r9, %tid.x;
        mov.u32 %r1, %laneid;
        mul.wide.u32 %l2, %r9, 4;
        ld.param.u64 %l1, [source];
        add.u64 %l1, %l1, %l2;
        ld.global.u32 %r0, [%l1];
        {body}
        ld.param.u64 %l0, [out];
        add.u64 %l0, %l0, %l2;
        {stores}
    """, ".param .u64 out, .param .u64 source", header=header)  # fmt: skip
    out = gpu.upload(np.full(threads * outs, 0xDEAD, np.uint32))
    gpu.run(ptx, 1, threads, [out, gpu.upload(np.array(data, np.uint32))])
    return [list(row) for row in out.get(np.uint32).reshape(outs, threads).tolist()]


DATA = [(37 * i + 5) * 2654435761 % (1 << 32) for i in range(32)]


def shuffle_source(mode: str, lane: int, b: int, c: int) -> tuple[int, bool]:
    """The PTX manual's pseudo code: source lane, and whether it is in range."""
    bval, cval, mask = b & 31, c & 31, c >> 8 & 31
    max_lane = lane & mask | cval & ~mask & 31
    min_lane = lane & mask
    source, valid = {
        "up": (lane - bval, lane - bval >= max_lane),
        "down": (lane + bval, lane + bval <= max_lane),
        "bfly": (lane ^ bval, (lane ^ bval) <= max_lane),
        "idx": (min_lane | bval & ~mask & 31, (min_lane | bval & ~mask & 31) <= max_lane),
    }[mode]
    return (source if valid else lane), valid


@pytest.mark.parametrize("width", [32, 16, 8, 4, 2, 1])
@pytest.mark.parametrize("mode", ["up", "down", "bfly", "idx"])
def test_shfl(gpu: Driver, mode: str, width: int) -> None:
    clamp = (32 - width) << 8 | (0 if mode == "up" else 31)
    for b in (0, 1, 3, 7, 16, 31):
        body = f"shfl.sync.{mode}.b32 %r10|%p0, %r0, {b}, {clamp}, 0xFFFFFFFF; selp.u32 %r11, 1, 0, %p0;"
        values, valid = lanes(gpu, body, DATA, 2)
        want = [shuffle_source(mode, lane, b, clamp) for lane in range(32)]
        assert values == [DATA[source] for source, _ in want], b
        assert valid == [int(ok) for _, ok in want], b


def test_shfl_with_lane_dependent_operands(gpu: Driver) -> None:
    """Indices, and segments, from registers; without the predicate."""
    body = "xor.b32 %r2, %r1, 21; mov.u32 %r3, 31; shfl.sync.idx.b32 %r10, %r0, %r2, %r3, -1;"
    assert lanes(gpu, body, DATA)[0] == [DATA[lane ^ 21] for lane in range(32)]


def test_shfl_within_a_subset(gpu: Driver) -> None:
    """Only the odd lanes exchange; the even ones are elsewhere in the program."""
    body = """
        and.b32 %r2, %r1, 1;
        setp.eq.u32 %p0, %r2, 0;
        mov.u32 %r10, 1;
        @%p0 bra $even;
        shfl.sync.bfly.b32 %r10, %r0, 2, 31, 0xAAAAAAAA;
    $even:
    """
    assert lanes(gpu, body, DATA)[0] == [DATA[lane ^ 2] if lane & 1 else 1 for lane in range(32)]


def test_butterfly_reduction(gpu: Driver) -> None:
    steps = "\n".join(
        f"shfl.sync.bfly.b32 %r2, %r10, {step}, 31, -1; add.u32 %r10, %r10, %r2;" for step in (16, 8, 4, 2, 1)
    )
    assert lanes(gpu, f"mov.u32 %r10, %r0; {steps}", DATA)[0] == [sum(DATA) % (1 << 32)] * 32


@pytest.mark.parametrize("mask", [FULL, 0x0000FFFF, 0x80000001, 0x55555555])
def test_vote(gpu: Driver, mask: int) -> None:
    body = f"""
        mov.u32 %r10, 9; mov.u32 %r11, 9; mov.u32 %r12, 9; mov.u32 %r13, 9; mov.u32 %r14, 9;
        mov.u32 %r2, 1; shl.b32 %r2, %r2, %r1; and.b32 %r2, %r2, {mask};
        setp.eq.u32 %p0, %r2, 0;
        @%p0 bra $out;
        and.b32 %r3, %r0, 1;
        setp.eq.u32 %p1, %r3, 1;
        vote.sync.ballot.b32 %r10, %p1, {mask};
        vote.sync.any.pred %p2, %p1, {mask};  selp.u32 %r11, 1, 0, %p2;
        vote.sync.all.pred %p2, %p1, {mask};  selp.u32 %r12, 1, 0, %p2;
        vote.sync.uni.pred %p2, %p1, {mask};  selp.u32 %r13, 1, 0, %p2;
        vote.sync.ballot.b32 %r14, !%p1, {mask};
    $out:
    """
    for data in (DATA, [1] * 32, [0] * 32):
        got = lanes(gpu, body, data, 5)
        inside = [lane for lane in range(32) if mask >> lane & 1]
        odd = [data[lane] & 1 for lane in inside]
        ballot = sum(1 << lane for lane in inside if data[lane] & 1)
        want = [ballot, int(any(odd)), int(all(odd)), int(len(set(odd)) == 1), mask & ~ballot]
        for lane in range(32):
            assert [row[lane] for row in got] == (want if lane in inside else [9] * 5)


def test_match(gpu: Driver) -> None:
    data = [i % 5 for i in range(32)]
    body = """
        match.any.sync.b32 %r10, %r0, 0xFFFFFFFF;
        match.all.sync.b32 %r11|%p0, %r0, 0xFFFFFFFF;
        selp.u32 %r12, 1, 0, %p0;
        cvt.u64.u32 %l5, %r0;
        shl.b64 %l5, %l5, 40;
        match.any.sync.b64 %r13, %l5, 0xFFFFFFFF;
        mov.u32 %r3, 4;
        match.all.sync.b32 %r14|%p1, %r3, 0xFFFFFFFF;
        selp.u32 %r15, 1, 0, %p1;
    """
    any32, all32, flag, any64, same, same_flag = lanes(gpu, body, data, 6)
    want = [sum(1 << j for j in range(32) if data[j] == x) for x in data]
    assert any32 == any64 == want
    assert (all32, flag) == ([0] * 32, [0] * 32)
    assert (same, same_flag) == ([FULL] * 32, [1] * 32)


def test_activemask(gpu: Driver) -> None:
    """The whole warp in straight code; in a partial last warp, the threads there are."""
    assert lanes(gpu, "activemask.b32 %r10;", DATA)[0] == [FULL] * 32
    assert lanes(gpu, "activemask.b32 %r10;", DATA[:20], threads=20)[0] == [(1 << 20) - 1] * 20
    body = """
        setp.lt.u32 %p0, %r1, 12;
        @%p0 bra $low;
        activemask.b32 %r10;
        bra $join;
    $low:
        activemask.b32 %r10;
    $join:
    """
    got = lanes(gpu, body, DATA)[0]
    for lane, mask in enumerate(got):
        side = 0xFFF if lane < 12 else FULL & ~0xFFF
        assert mask >> lane & 1
        assert mask & ~side == 0


REDUX: dict[str, tuple[str, Callable[[list[int]], int]]] = {
    "add.u32": ("u", sum),
    "add.s32": ("s", sum),
    "min.u32": ("u", min),
    "max.u32": ("u", max),
    "min.s32": ("s", min),
    "max.s32": ("s", max),
    "and.b32": ("u", lambda x: int(np.bitwise_and.reduce(x))),
    "or.b32": ("u", lambda x: int(np.bitwise_or.reduce(x))),
    "xor.b32": ("u", lambda x: int(np.bitwise_xor.reduce(x))),
}


@pytest.mark.parametrize("name", REDUX)
def test_redux(gpu: Driver, name: str) -> None:
    sign, function = REDUX[name]
    numbers = [x - (1 << 32) if sign == "s" and x >> 31 else x for x in DATA]
    assert (
        lanes(gpu, f"redux.sync.{name} %r10, %r0, 0xFFFFFFFF;", DATA)[0]
        == [function(numbers) % (1 << 32)] * 32
    )
    body = f"""
        mov.u32 %r10, 7;
        setp.ge.u32 %p0, %r1, 10;
        @%p0 bra $out;
        redux.sync.{name} %r10, %r0, 0x3FF;
    $out:
    """
    assert lanes(gpu, body, DATA)[0] == [function(numbers[:10]) % (1 << 32)] * 10 + [7] * 22


def test_elect(gpu: Driver) -> None:
    body = "elect.sync %r10|%p0, 0xFFFFFFFF; selp.u32 %r11, 1, 0, %p0;"
    with sm_90_or_skip():
        leader, elected = lanes(gpu, body, DATA, 2, header=SM_90)
        assert sum(elected) == 1
        assert set(leader) == {elected.index(1)}


def test_warps_of_a_block_do_not_mix(gpu: Driver) -> None:
    data = DATA + [x ^ 0xFFFF for x in DATA] + [7] * 30
    got = lanes(gpu, "shfl.sync.idx.b32 %r10, %r0, 0, 31, 0xFFFFFFFF;", data[:64], threads=64)[0]
    assert got == [data[0]] * 32 + [data[32]] * 32
    got = lanes(gpu, "activemask.b32 %r2; redux.sync.add.u32 %r10, %r0, %r2;", data, threads=94)[0]
    assert got[64:] == [210] * 30


def test_sync_after_loop_exit(gpu: Driver) -> None:
    """Lanes leave a loop one by one; a shuffle behind it still waits for all of them."""
    body = """
        mov.u32 %r2, 0;
    $loop:
        add.u32 %r2, %r2, 1;
        setp.le.u32 %p0, %r2, %r1;
        @%p0 bra $loop;
        shfl.sync.down.b32 %r10, %r2, 1, 31, 0xFFFFFFFF;
    """
    assert lanes(gpu, body, DATA)[0] == [min(lane + 2, 32) for lane in range(32)]


def test_exited_lanes_do_not_block_a_sync(gpu: Driver) -> None:
    """Lanes that have ended are not waited for by bar.warp.sync on the whole warp."""
    body = """
        mov.u32 %r10, 3;
        setp.ge.u32 %p0, %r1, 8;
        @%p0 exit;
        bar.warp.sync 0xFFFFFFFF;
        mov.u32 %r10, 4;
    """
    assert lanes(gpu, body, DATA)[0] == [4] * 8 + [0xDEAD] * 24
