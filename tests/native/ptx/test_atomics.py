# SPDX-License-Identifier: BSD-3-Clause
"""atom and red: every operation and type, alone and under contention; fences."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from . import floats
from .floats import BF16, F16, F32, FORMATS
from .harness import HEADER, SM_90, Driver, kernel, sm_90_or_skip
from .test_integer import wrap

Pure = Callable[[int, int], int]
INTEGER_OPS: dict[str, tuple[list[str], Pure]] = {
    "add": (["u32", "s32", "u64"], lambda a, b: a + b),
    "min": (["u32", "s32", "u64", "s64"], min),
    "max": (["u32", "s32", "u64", "s64"], max),
    "and": (["b32", "b64"], lambda a, b: a & b),
    "or": (["b32", "b64"], lambda a, b: a | b),
    "xor": (["b32", "b64"], lambda a, b: a ^ b),
    "exch": (["b32", "b64"], lambda a, b: b),
    "inc": (["u32"], lambda a, b: 0 if a >= b else a + 1),
    "dec": (["u32"], lambda a, b: b if a == 0 or a > b else a - 1),
}
CASES = [(op, kind) for op, (kinds, _) in INTEGER_OPS.items() for kind in kinds]
PAIRS = [(5, 7), (7, 5), (0, 3), (0xFFFFFFF0, 0x20), (1 << 31, 1), (0xDEADBEEF12345678, 0x8765432100000001)]


def once(gpu: Driver, instruction: str, kind: str, cell: int, operands: list[int], space: str,
         header: str = HEADER) -> tuple[int, int]:  # fmt: skip
    """One atom by one thread: the value it returned, and what memory holds after it."""
    size = int(kind.lstrip("usbf").removesuffix("x2") or 0) // 8 * (2 if kind.endswith("x2") else 1)
    letter = {2: "h", 4: "r", 8: "l"}[size]
    first = {2: 0, 4: 0, 8: 8}[size]
    b = f"b{8 * size}"
    loads = "".join(f"ld.param.{b} %{letter}{first + 2 + i}, [x{i}];" for i in range(len(operands)))
    args = "".join(f", %{letter}{first + 2 + i}" for i in range(len(operands)))
    place = {"global": "%l1", "shared": "cell", "": "%l1"}[space]
    dot = f".{space}" if space else ""
    text = instruction.replace("@", dot)
    name, form, result = text.split(".")[0], text, f"%{letter}{first}, " if text.startswith("atom") else ""
    assert name in ("atom", "red")
    ptx = kernel(f"""
        ld.param.u64 %l0, [out];
        add.u64 %l1, %l0, 8;
        {loads}
        ld.global.{b} %{letter}{first + 1}, [%l1];
        {f"st.shared.{b} [cell], %{letter}{first + 1};" if space == "shared" else ""}
        {form} {result}[{place}]{args};
        {f"ld.shared.{b} %{letter}{first + 1}, [cell]; st.global.{b} [%l1], %{letter}{first + 1};"
         if space == "shared" else ""}
        {f"st.global.{b} [%l0], %{letter}{first};" if result else ""}
    """, ".param .u64 out" + "".join(f", .param .{b} x{i}" for i in range(len(operands))),
         scope=".shared .align 16 .b8 cell[16];", header=header)  # fmt: skip
    dtype = {2: np.uint16, 4: np.uint32, 8: np.uint64}[size]
    mask = (1 << 8 * size) - 1
    memory = np.zeros(2, np.uint64)
    memory[1] = cell & mask
    out = gpu.upload(memory)
    gpu.run(ptx, 1, 1, [out, *(dtype(x & mask) for x in operands)])
    old, new = out.get(np.uint64).tolist()
    return old, new


@pytest.mark.parametrize("space", ["global", "shared", ""])
@pytest.mark.parametrize(("op", "kind"), CASES)
def test_integer_atom(gpu: Driver, op: str, kind: str, space: str) -> None:
    read = "u" + kind[1:] if kind[0] == "b" else kind
    unsigned = "u" + kind[1:]
    for cell, operand in PAIRS:
        a, b = wrap(cell, read), wrap(operand, read)
        old, new = once(gpu, f"atom@.{op}.{kind}", kind, a, [b], space)
        assert (old, new) == (wrap(a, unsigned), wrap(INTEGER_OPS[op][1](a, b), unsigned)), (hex(a), hex(b))


@pytest.mark.parametrize(("op", "kind"), [case for case in CASES if case[0] != "exch"])
def test_integer_red(gpu: Driver, op: str, kind: str) -> None:
    read = "u" + kind[1:] if kind[0] == "b" else kind
    for cell, operand in PAIRS[:4]:
        a, b = wrap(cell, read), wrap(operand, read)
        _, new = once(gpu, f"red@.{op}.{kind}", kind, a, [b], "global")
        assert new == wrap(INTEGER_OPS[op][1](a, b), "u" + kind[1:])


@pytest.mark.parametrize("space", ["global", "shared", ""])
@pytest.mark.parametrize("kind", ["b16", "b32", "b64"])
def test_compare_and_swap(gpu: Driver, kind: str, space: str) -> None:
    assert once(gpu, f"atom@.cas.{kind}", kind, 5, [5, 9], space) == (5, 9)
    assert once(gpu, f"atom@.cas.{kind}", kind, 6, [5, 9], space) == (6, 6)


@pytest.mark.parametrize("space", ["global", "shared", ""])
def test_float_add(gpu: Driver, space: str) -> None:
    """f32 rounds to nearest even; f64 as well."""
    for kind in ("f32", "f64"):
        fmt = FORMATS[kind]
        for a, b in [(1.5, 2.25), (1e30, -1e30), (0.1, 0.2), (3e-5, 1e5)]:
            x, y = fmt.from_float(a), fmt.from_float(b)
            old, new = once(gpu, f"atom@.add.{kind}", kind, x, [y], space)
            assert (old, new) == (x, floats.expected(fmt, floats.add, [x, y], "rn"))
    _, new = once(gpu, "red@.add.f32", "f32", F32.from_float(1), [F32.from_float(2)], space)
    assert new == F32.from_float(3)


def test_half_add(gpu: Driver) -> None:
    one, two, three = (F16.from_float(x) for x in (1, 2, 3))
    assert once(gpu, "atom@.add.noftz.f16", "f16", one, [two], "global") == (one, three)
    pair = one | two << 16
    old, new = once(gpu, "atom@.add.noftz.f16x2", "f16x2", pair, [two | one << 16], "global")
    assert (old, new) == (pair, three | three << 16)
    with sm_90_or_skip():
        a, b = BF16.from_float(1.5), BF16.from_float(2.5)
        want = BF16.from_float(4)
        once_bf16 = once(gpu, "atom@.add.noftz.bf16x2", "bf16x2", a, [b], "global", SM_90)
        assert once_bf16 == (a, want)


@pytest.mark.parametrize("qualifiers", [
    ".relaxed.gpu", ".acquire.gpu", ".release.gpu", ".acq_rel.gpu", ".acq_rel.sys", ".relaxed.cta", ".gpu",
    ".sys", ".cta",
])  # fmt: skip
def test_qualifiers(gpu: Driver, qualifiers: str) -> None:
    assert once(gpu, f"atom{qualifiers}@.add.u32", "u32", 40, [2], "global") == (40, 42)
    assert once(gpu, f"atom{qualifiers}@.cas.b32", "b32", 40, [40, 2], "") == (40, 2)
    if "acq" not in qualifiers:
        assert once(gpu, f"red{qualifiers}@.max.s32", "s32", 40, [2], "global")[1] == 40


GLOBAL_INDEX = """
    ld.param.u64 %l0, [out];
    mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x;
    mad.lo.u32 %r0, %r1, %r2, %r0;
"""


def test_contention_on_totals(gpu: Driver) -> None:
    """200 blocks of 256 threads on the same few cells: no update may be lost."""
    n = 200 * 256
    body = (
        GLOBAL_INDEX
        + """
        add.u32 %r3, %r0, 1;
        cvt.u64.u32 %l1, %r3;
        cvt.rn.f32.u32 %f0, 1;
        cvt.rn.f64.u32 %d0, %r3;
        and.b32 %r4, %r0, 31;
        mov.u32 %r5, 1;
        shl.b32 %r5, %r5, %r4;
        red.global.add.u32 [%l0], %r3;
        red.global.add.u64 [%l0+8], %l1;
        red.global.add.f32 [%l0+16], %f0;
        red.global.add.f64 [%l0+24], %d0;
        red.global.max.u32 [%l0+32], %r3;
        red.global.min.s32 [%l0+36], %r3;
        red.global.or.b32 [%l0+40], %r5;
        red.global.xor.b32 [%l0+44], %r3;
        atom.global.inc.u32 %r6, [%l0+48], 999;
        atom.global.exch.b32 %r7, [%l0+52], %r3;
    """
    )
    body = body.replace("cvt.rn.f32.u32 %f0, 1;", "mov.f32 %f0, 0f3F800000;")
    start = np.zeros(16, np.uint32)
    start[9] = 0x7FFFFFFF
    out = gpu.upload(start)
    gpu.run(kernel(body), 200, 256, [out])
    raw = out.get(np.uint8).tobytes()
    total = n * (n + 1) // 2
    assert struct.unpack_from("<I", raw, 0)[0] == total % (1 << 32)
    assert struct.unpack_from("<Q", raw, 8)[0] == total
    assert struct.unpack_from("<f", raw, 16)[0] == n
    assert struct.unpack_from("<d", raw, 24)[0] == total
    assert struct.unpack_from("<I", raw, 32)[0] == n
    assert struct.unpack_from("<i", raw, 36)[0] == 1
    assert struct.unpack_from("<I", raw, 40)[0] == 0xFFFFFFFF
    assert struct.unpack_from("<I", raw, 44)[0] == int(np.bitwise_xor.reduce(np.arange(1, n + 1)))
    assert struct.unpack_from("<I", raw, 48)[0] == n % 1000
    assert 1 <= struct.unpack_from("<I", raw, 52)[0] <= n


def test_tickets_are_unique(gpu: Driver) -> None:
    """What atom.add returns is a permutation: each thread gets a ticket of its own."""
    body = (
        GLOBAL_INDEX
        + """
        atom.global.add.u32 %r3, [counter], 1;
        mul.wide.u32 %l1, %r3, 4;
        add.u64 %l1, %l0, %l1;
        st.global.u32 [%l1], %r0;
    """
    )
    n = 100 * 128
    out = gpu.zeros(n, np.uint32)
    gpu.run(kernel(body, scope=".global .u32 counter;"), 100, 128, [out])
    assert sorted(out.get(np.uint32).tolist()) == list(range(n))


def test_compare_and_swap_loop(gpu: Driver) -> None:
    """The classical atomicMul: retry until nobody came in between."""
    body = (
        GLOBAL_INDEX
        + """
        ld.global.u32 %r3, [%l0];
    $again:
        mul.lo.u32 %r4, %r3, 3;
        atom.global.cas.b32 %r5, [%l0], %r3, %r4;
        setp.ne.u32 %p0, %r5, %r3;
        mov.u32 %r3, %r5;
        @%p0 bra $again;
    """
    )
    out = gpu.upload(np.array([1], np.uint32))
    gpu.run(kernel(body), 20, 64, [out])
    assert out.get(np.uint32)[0] == pow(3, 20 * 64, 1 << 32)


def test_shared_histogram(gpu: Driver) -> None:
    body = (
        GLOBAL_INDEX
        + """
        mov.u32 %r10, %tid.x;
        and.b32 %r3, %r0, 7;
        shl.b32 %r3, %r3, 2;
        mov.u32 %r4, bins;
        add.u32 %r4, %r4, %r3;
        mov.u32 %r5, 0;
        setp.ge.u32 %p0, %r10, 8;
        shl.b32 %r6, %r10, 2;
        mov.u32 %r7, bins;
        add.u32 %r7, %r7, %r6;
        @!%p0 st.shared.u32 [%r7], %r5;
        bar.sync 0;
        red.shared.add.u32 [%r4], 1;
        bar.sync 0;
        @%p0 exit;
        ld.shared.u32 %r8, [%r7];
        mul.wide.u32 %l1, %r10, 4;
        add.u64 %l1, %l0, %l1;
        red.global.add.u32 [%l1], %r8;
    """
    )
    out = gpu.zeros(8, np.uint32)
    gpu.run(kernel(body, scope=".shared .align 4 .b8 bins[32];"), 50, 256, [out])
    assert out.get(np.uint32).tolist() == [50 * 256 // 8] * 8


def test_vector_red(gpu: Driver) -> None:
    """red.global.v2.f32.add belongs to compute capability 9.0: earlier devices may refuse it."""
    ptx = kernel("""
        ld.param.u64 %l0, [out];
        mov.f32 %f0, 0f3F800000; mov.f32 %f1, 0f40000000;
        red.global.v2.f32.add [%l0], {%f0, %f1};
    """, header=SM_90.replace("8.0", "8.1"))  # fmt: skip
    out = gpu.zeros(2, np.float32)
    with sm_90_or_skip():
        gpu.run(ptx, 1, 32, [out])
        assert out.get(np.float32).tolist() == [32, 64]


@pytest.mark.parametrize("fence", [
    "membar.cta", "membar.gl", "membar.sys", "fence.sc.cta", "fence.sc.gpu", "fence.acq_rel.gpu",
    "fence.acq_rel.sys", "fence.acq_rel.cta",
])  # fmt: skip
def test_message_passing(gpu: Driver, fence: str) -> None:
    """Block 1 writes data, fences, sets a flag; block 0 sees the flag and then the data."""
    body = f"""
        ld.param.u64 %l0, [out];
        mov.u32 %r0, %ctaid.x;
        setp.eq.u32 %p0, %r0, 1;
        @%p0 bra $write;
    $spin:
        ld.volatile.global.u32 %r1, [%l0];
        setp.eq.u32 %p1, %r1, 0;
        @%p1 bra $spin;
        {fence};
        ld.volatile.global.u32 %r2, [%l0+64];
        st.global.u32 [%l0+4], %r2;
        bra $out;
    $write:
        mov.u32 %r2, 17;
        st.volatile.global.u32 [%l0+64], %r2;
        {fence};
        mov.u32 %r1, 1;
        st.volatile.global.u32 [%l0], %r1;
    $out:
        ret;
    """
    if gpu.attribute(16) < 2:
        pytest.skip("needs two resident blocks")
    out = gpu.zeros(32, np.uint32)
    gpu.run(kernel(body), 2, 1, [out])
    assert out.get(np.uint32)[1] == 17
