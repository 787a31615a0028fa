# SPDX-License-Identifier: BSD-3-Clause
"""Logic, shifts and bit-field instructions."""

from __future__ import annotations

import random

import pytest

from .harness import Driver
from .test_integer import bits_of, check, column, values, wrap


def unsigned(value: int, kind: str) -> int:
    return value & ((1 << bits_of(kind)) - 1)


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_logic(gpu: Driver, bits: int) -> None:
    kind = f"u{bits}"
    for name, function in {
        "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    }.items():  # fmt: skip
        check(gpu, f"{name}.b{bits} %r, %a, %b;", [kind] * 2, kind, function)
    check(gpu, f"not.b{bits} %r, %a;", [kind], kind, lambda a: ~a)
    check(gpu, f"cnot.b{bits} %r, %a;", [kind], kind, lambda a: int(a == 0))


def test_predicate_logic(gpu: Driver) -> None:
    declare = ".reg .pred %p, %s, %t;"
    for name, function in {
        "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    }.items():  # fmt: skip
        body = f"setp.ne.u32 %p, %a, 0; setp.ne.u32 %s, %b, 0; {name}.pred %t, %p, %s; selp.u32 %r, 1, 0, %t;"
        check(
            gpu,
            body,
            ["u32", "u32"],
            "u32",
            lambda a, b, f=function: f(int(a != 0), int(b != 0)),
            declare=declare,
        )
    body = "setp.ne.u32 %p, %a, 0; not.pred %t, %p; selp.u32 %r, 1, 0, %t;"
    check(gpu, body, ["u32"], "u32", lambda a: int(a == 0), declare=declare)
    body = "setp.ne.u32 %p, %a, 0; mov.pred %t, %p; mov.u32 %r, 7; @!%t mov.u32 %r, 9;"
    check(gpu, body, ["u32"], "u32", lambda a: 7 if a else 9, declare=declare)


def test_lop3_all_tables(gpu: Driver) -> None:
    rng = random.Random(3)
    for table in range(0, 256, 5):
        a, b, c = (rng.getrandbits(32) for _ in range(3))
        got = gpu.elementwise(
            f"lop3.b32 %r, %a, %b, %c, {table:#x};", [column("u32", [x]) for x in (a, b, c)], "u32"
        )
        want = sum(
            (table >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i for i in range(32)
        )
        assert got[0] == want, hex(table)


@pytest.mark.parametrize("kind", ["u16", "u32", "u64", "s16", "s32", "s64"])
def test_shifts_clamp_their_amount(gpu: Driver, kind: str) -> None:
    bits = bits_of(kind)
    amounts = [0, 1, 5, bits - 1, bits, bits + 1, 2 * bits, 0xFFFFFFFF, 7, 13]
    numbers = values(kind)
    shifts = [amounts[i % len(amounts)] for i in range(len(numbers))]
    args = [column(kind, numbers), column("u32", shifts)]
    right = gpu.elementwise(f"shr.{kind} %r, %a, %b;", args, kind).tolist()
    left = gpu.elementwise(f"shl.b{bits} %r, %a, %b;", args, kind).tolist()
    for a, s, r, shifted in zip(numbers, shifts, right, left, strict=True):
        assert r == wrap(a >> min(s, bits), kind), (a, s)
        assert shifted == wrap(a << min(s, bits), kind), (a, s)


@pytest.mark.parametrize("mode", ["wrap", "clamp"])
@pytest.mark.parametrize("direction", ["l", "r"])
def test_funnel_shift(gpu: Driver, direction: str, mode: str) -> None:
    amounts = [0, 1, 8, 31, 32, 33, 64, 100, 0xFFFFFFFF]
    low, high = values("u32", seed=1), values("u32", seed=2)
    shifts = [amounts[i % len(amounts)] for i in range(len(low))]
    got = gpu.elementwise(
        f"shf.{direction}.{mode}.b32 %r, %a, %b, %c;", [column("u32", x) for x in (low, high, shifts)], "u32"
    ).tolist()
    for a, b, s, r in zip(low, high, shifts, got, strict=True):
        amount = s & 31 if mode == "wrap" else min(s, 32)
        both = a | b << 32
        want = (both << amount) >> 32 if direction == "l" else both >> amount
        assert r == want & 0xFFFFFFFF, (a, b, s)


@pytest.mark.parametrize("bits", [32, 64])
def test_counting(gpu: Driver, bits: int) -> None:
    kind = f"u{bits}"
    for body, function in {
        f"popc.b{bits} %r, %a;": lambda a: bin(a).count("1"),
        f"clz.b{bits} %r, %a;": lambda a: bits - a.bit_length(),
    }.items():
        check(gpu, body, [kind], "u32", function)
    check(gpu, f"brev.b{bits} %r, %a;", [kind], kind, lambda a: int(f"{a:0{bits}b}"[::-1], 2))


@pytest.mark.parametrize("kind", ["u32", "s32", "u64", "s64"])
def test_bfind(gpu: Driver, kind: str) -> None:
    """The highest bit that differs from the sign; all ones when there is none."""
    bits = bits_of(kind)

    def position(a: int) -> int:
        return (~a if a < 0 else a).bit_length() - 1

    check(gpu, f"bfind.{kind} %r, %a;", [kind], "u32", position)
    check(gpu, f"bfind.shiftamt.{kind} %r, %a;", [kind], "u32",
          lambda a: -1 if position(a) < 0 else bits - 1 - position(a))  # fmt: skip


def test_fns(gpu: Driver) -> None:
    """The n-th set bit at or after (n > 0), at or before (n < 0) the base; the base bit itself for n = 0."""
    masks = [m for m in values("u32") for _ in range(3)]
    rng = random.Random(9)
    bases = [rng.randrange(32) for _ in masks]
    offsets = [rng.choice((0, 1, 2, 3, -1, -2, -4)) for _ in masks]

    def nth(mask: int, base: int, offset: int) -> int:
        if offset == 0:
            return base if mask >> base & 1 else 0xFFFFFFFF
        places = range(base, 32) if offset > 0 else range(base, -1, -1)
        found = [i for i in places if mask >> i & 1]
        return found[abs(offset) - 1] if len(found) >= abs(offset) else 0xFFFFFFFF

    args = [column("u32", masks), column("u32", bases), column("s32", offsets)]
    got = gpu.elementwise("fns.b32 %r, %a, %b, %c;", args, "u32").tolist()
    assert got == [nth(*row) for row in zip(masks, bases, offsets, strict=True)]


@pytest.mark.parametrize("kind", ["u32", "s32", "u64", "s64"])
def test_bfe(gpu: Driver, kind: str) -> None:
    bits = bits_of(kind)
    numbers = values(kind)
    rng = random.Random(4)
    starts = [rng.choice((0, 1, 7, 30, 31, 32, 63, 64, 255, 256 + 3)) for _ in numbers]
    lengths = [rng.choice((0, 1, 8, 31, 32, 33, 64, 255, 256 + 5)) for _ in numbers]

    def extract(a: int, start: int, length: int) -> int:
        start, length = start & 255, length & 255
        a = unsigned(a, kind)
        msb = bits - 1
        sign = 0 if kind[0] == "u" or length == 0 else a >> min(start + length - 1, msb) & 1
        result = 0
        for i in range(bits):
            bit = a >> (start + i) & 1 if i < length and start + i <= msb else sign
            result |= bit << i
        return result

    args = [column(kind, numbers), column("u32", starts), column("u32", lengths)]
    got = gpu.elementwise(f"bfe.{kind} %r, %a, %b, %c;", args, kind).tolist()
    for row, result in zip(zip(numbers, starts, lengths, strict=True), got, strict=True):
        assert result == wrap(extract(*row), kind), row


@pytest.mark.parametrize("bits", [32, 64])
def test_bfi(gpu: Driver, bits: int) -> None:
    kind = f"u{bits}"
    fields, into = values(kind, seed=1), values(kind, seed=2)
    rng = random.Random(5)
    starts = [rng.choice((0, 1, 7, 31, 32, 63, 64, 255, 256 + 2)) for _ in fields]
    lengths = [rng.choice((0, 1, 8, 31, 32, 64, 255, 256 + 4)) for _ in fields]

    def insert(a: int, b: int, start: int, length: int) -> int:
        start, length = start & 255, length & 255
        for i in range(min(length, max(bits - start, 0))):
            b = b & ~(1 << (start + i)) | (a >> i & 1) << (start + i)
        return b

    args = [column(kind, fields), column(kind, into), column("u32", starts), column("u32", lengths)]
    got = gpu.elementwise(f"bfi.b{bits} %r, %a, %b, %c, %d;", args, kind).tolist()
    assert got == [insert(*row) for row in zip(fields, into, starts, lengths, strict=True)]


@pytest.mark.parametrize("mode", ["clamp", "wrap"])
def test_bmsk(gpu: Driver, mode: str) -> None:
    rng = random.Random(6)
    starts = [rng.choice((0, 1, 5, 31, 32, 40, 0xFFFFFFFF)) for _ in range(300)]
    widths = [rng.choice((0, 1, 8, 31, 32, 33, 70, 0xFFFFFFFF)) for _ in range(300)]

    def mask(start: int, width: int) -> int:
        start, width = (start & 31, width & 31) if mode == "wrap" else (min(start, 32), min(width, 32))
        return (((1 << width) - 1) << start) & 0xFFFFFFFF

    args = [column("u32", starts), column("u32", widths)]
    got = gpu.elementwise(f"bmsk.{mode}.b32 %r, %a, %b;", args, "u32").tolist()
    assert got == [mask(*row) for row in zip(starts, widths, strict=True)]


@pytest.mark.parametrize("mode", ["clamp", "wrap"])
@pytest.mark.parametrize("kind", ["u32", "s32"])
def test_szext(gpu: Driver, kind: str, mode: str) -> None:
    numbers = values(kind)
    rng = random.Random(7)
    widths = [rng.choice((0, 1, 5, 16, 31, 32, 33, 64, 0xFFFFFFFF)) for _ in numbers]

    def extend(a: int, width: int) -> int:
        n = width & 31 if mode == "wrap" else min(width, 32)
        if n == 0:
            return 0
        return wrap(unsigned(a, kind) & ((1 << n) - 1), f"{kind[0]}{n}")

    got = gpu.elementwise(
        f"szext.{mode}.{kind} %r, %a, %b;", [column(kind, numbers), column("u32", widths)], kind
    )
    for a, w, result in zip(numbers, widths, got.tolist(), strict=True):
        assert result == wrap(extend(a, w), kind), (a, w)


def select_bytes(a: int, b: int, selector: int) -> int:
    pool = (a | b << 32).to_bytes(8, "little")
    out = bytearray()
    for i in range(4):
        nibble = selector >> 4 * i & 15
        byte = pool[nibble & 7]
        out.append((0xFF if byte & 0x80 else 0) if nibble & 8 else byte)
    return int.from_bytes(out, "little")


PRMT_MODES = {
    "f4e": [(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 6)],
    "b4e": [(0, 7, 6, 5), (1, 0, 7, 6), (2, 1, 0, 7), (3, 2, 1, 0)],
    "rc8": [(0,) * 4, (1,) * 4, (2,) * 4, (3,) * 4],
    "ecl": [(0, 1, 2, 3), (1, 1, 2, 3), (2, 2, 2, 3), (3, 3, 3, 3)],
    "ecr": [(0, 0, 0, 0), (0, 1, 1, 1), (0, 1, 2, 2), (0, 1, 2, 3)],
    "rc16": [(0, 1, 0, 1), (2, 3, 2, 3), (0, 1, 0, 1), (2, 3, 2, 3)],
}


def test_prmt(gpu: Driver) -> None:
    columns = [values("u32", seed=i) for i in range(3)]
    args = [column("u32", c) for c in columns]
    got = gpu.elementwise("prmt.b32 %r, %a, %b, %c;", args, "u32").tolist()
    assert got == [select_bytes(*row) for row in zip(*columns, strict=True)]
    for mode, table in PRMT_MODES.items():
        got = gpu.elementwise(f"prmt.b32.{mode} %r, %a, %b, %c;", args, "u32").tolist()
        for a, b, c, result in zip(*columns, got, strict=True):
            pool = (a | b << 32).to_bytes(8, "little")
            assert result == int.from_bytes(bytes(pool[i] for i in table[c & 3]), "little"), mode


@pytest.mark.parametrize("b_kind", ["u32", "s32"])
@pytest.mark.parametrize("a_kind", ["u32", "s32"])
def test_dot_products(gpu: Driver, a_kind: str, b_kind: str) -> None:
    out = "u32" if (a_kind, b_kind) == ("u32", "u32") else "s32"
    kinds = [a_kind, b_kind, out]

    def pieces(value: int, kind: str, width: int) -> list[int]:
        return [wrap(value >> width * i, f"{kind[0]}{width}") for i in range(32 // width)]

    def dp4a(a: int, b: int, c: int) -> int:
        return c + sum(x * y for x, y in zip(pieces(a, a_kind, 8), pieces(b, b_kind, 8), strict=True))

    def dp2a(a: int, b: int, c: int, high: bool) -> int:
        return c + sum(
            x * y for x, y in zip(pieces(a, a_kind, 16), pieces(b, b_kind, 8)[2 * high :], strict=False)
        )

    types = f"{a_kind}.{b_kind}"
    check(gpu, f"dp4a.{types} %r, %a, %b, %c;", kinds, out, dp4a)
    check(gpu, f"dp2a.lo.{types} %r, %a, %b, %c;", kinds, out, lambda a, b, c: dp2a(a, b, c, False))
    check(gpu, f"dp2a.hi.{types} %r, %a, %b, %c;", kinds, out, lambda a, b, c: dp2a(a, b, c, True))


def test_scalar_video(gpu: Driver) -> None:
    """The scalar video instructions in their plain 32-bit form."""
    for body, function in {
        "vadd.s32.s32.s32 %r, %a, %b;": lambda a, b: a + b,
        "vsub.s32.s32.s32 %r, %a, %b;": lambda a, b: a - b,
        "vmin.s32.s32.s32 %r, %a, %b;": min,
        "vmax.s32.s32.s32 %r, %a, %b;": max,
    }.items():
        check(gpu, body, ["s32", "s32"], "s32", function)
