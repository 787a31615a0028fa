# SPDX-License-Identifier: BSD-3-Clause
"""Integer arithmetic, in every width, against Python's integers."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from .harness import DTYPES, Driver

INTEGERS = ["u16", "s16", "u32", "s32", "u64", "s64"]


def bits_of(kind: str) -> int:
    return int(kind[1:])


def wrap(value: int, kind: str) -> int:
    """`value` modulo 2^n, read as the type `kind`."""
    bits = bits_of(kind)
    value &= (1 << bits) - 1
    return value - (1 << bits) if kind[0] == "s" and value >> (bits - 1) else value


def clamp(value: int, kind: str) -> int:
    bits = bits_of(kind)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind[0] == "s" else (0, (1 << bits) - 1)
    return min(max(value, low), high)


def values(kind: str, count: int = 400, seed: int = 0) -> list[int]:
    """Edges of the type, then random numbers of every magnitude."""
    rng = random.Random(f"{kind}{seed}")
    bits = bits_of(kind)
    edges = [
        0,
        1,
        2,
        3,
        5,
        7,
        -1,
        -2,
        -3,
        1 << (bits - 1),
        (1 << (bits - 1)) - 1,
        (1 << bits) - 1,
        0x5555,
        255,
    ]
    picked = [rng.choice(edges) for _ in range(count // 2)]
    picked += [rng.getrandbits(rng.randint(1, bits)) * rng.choice((1, -1)) for _ in range(count // 2)]
    rng.shuffle(picked)
    return [wrap(x, kind) for x in [*edges, *picked]]


def column(kind: str, numbers: list[int]) -> tuple[str, np.ndarray]:
    return kind, np.array([wrap(x, kind) for x in numbers], DTYPES[kind])


def check(
    gpu: Driver, body: str, kinds: list[str], out: str, function: Callable[..., int], *, declare: str = ""
) -> None:
    columns = [values(kind, seed=i) for i, kind in enumerate(kinds)]
    got = gpu.elementwise(
        body, [column(k, c) for k, c in zip(kinds, columns, strict=True)], out, declare=declare
    ).tolist()
    for row, result in zip(zip(*columns, strict=True), got, strict=True):
        assert result == wrap(function(*row), out), f"{body} of {row}"


def truncated_quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


BINARY: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "min": min,
    "max": max,
    "mul.lo": lambda a, b: a * b,
}


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("name", BINARY)
def test_binary(gpu: Driver, name: str, kind: str) -> None:
    check(gpu, f"{name}.{kind} %r, %a, %b;", [kind, kind], kind, BINARY[name])


@pytest.mark.parametrize("kind", INTEGERS)
def test_mul_hi(gpu: Driver, kind: str) -> None:
    check(gpu, f"mul.hi.{kind} %r, %a, %b;", [kind, kind], kind, lambda a, b: (a * b) >> bits_of(kind))


@pytest.mark.parametrize("kind", ["u16", "s16", "u32", "s32"])
def test_mul_and_mad_wide(gpu: Driver, kind: str) -> None:
    double = f"{kind[0]}{2 * bits_of(kind)}"
    check(gpu, f"mul.wide.{kind} %r, %a, %b;", [kind, kind], double, lambda a, b: a * b)
    check(gpu, f"mad.wide.{kind} %r, %a, %b, %c;", [kind, kind, double], double, lambda a, b, c: a * b + c)


@pytest.mark.parametrize("kind", INTEGERS)
def test_mad(gpu: Driver, kind: str) -> None:
    check(gpu, f"mad.lo.{kind} %r, %a, %b, %c;", [kind] * 3, kind, lambda a, b, c: a * b + c)
    high = lambda a, b, c: ((a * b) >> bits_of(kind)) + c  # noqa: E731
    check(gpu, f"mad.hi.{kind} %r, %a, %b, %c;", [kind] * 3, kind, high)


@pytest.mark.parametrize("name", ["add", "sub"])
def test_saturating(gpu: Driver, name: str) -> None:
    check(
        gpu, f"{name}.sat.s32 %r, %a, %b;", ["s32"] * 2, "s32", lambda a, b: clamp(BINARY[name](a, b), "s32")
    )


def test_mad_hi_sat(gpu: Driver) -> None:
    body = "mad.hi.sat.s32 %r, %a, %b, %c;"
    check(gpu, body, ["s32"] * 3, "s32", lambda a, b, c: clamp((a * b >> 32) + c, "s32"))


@pytest.mark.parametrize("kind", ["u32", "s32"])
def test_mul24_mad24(gpu: Driver, kind: str) -> None:
    narrow = lambda x: wrap(x, f"{kind[0]}24")  # noqa: E731
    check(gpu, f"mul24.lo.{kind} %r, %a, %b;", [kind] * 2, kind, lambda a, b: narrow(a) * narrow(b))
    check(gpu, f"mul24.hi.{kind} %r, %a, %b;", [kind] * 2, kind, lambda a, b: (narrow(a) * narrow(b)) >> 16)
    check(
        gpu, f"mad24.lo.{kind} %r, %a, %b, %c;", [kind] * 3, kind, lambda a, b, c: narrow(a) * narrow(b) + c
    )
    check(gpu, f"mad24.hi.{kind} %r, %a, %b, %c;", [kind] * 3, kind,
          lambda a, b, c: ((narrow(a) * narrow(b)) >> 16) + c)  # fmt: skip


@pytest.mark.parametrize("kind", INTEGERS)
def test_sad(gpu: Driver, kind: str) -> None:
    check(gpu, f"sad.{kind} %r, %a, %b, %c;", [kind] * 3, kind, lambda a, b, c: c + abs(a - b))


@pytest.mark.parametrize("kind", INTEGERS)
def test_div_and_rem(gpu: Driver, kind: str) -> None:
    """Truncating; the remainder has the dividend's sign; a zero divisor is unspecified, not a fault."""
    safe = f".reg .pred %z; .reg .b{bits_of(kind)} %d0;"
    prepare = f"setp.eq.{kind} %z, %b, 0; selp.b{bits_of(kind)} %d0, 3, %b, %z; "
    divisor = lambda b: b or 3  # noqa: E731
    check(gpu, prepare + f"div.{kind} %r, %a, %d0;", [kind] * 2, kind,
          lambda a, b: truncated_quotient(a, divisor(b)), declare=safe)  # fmt: skip
    check(gpu, prepare + f"rem.{kind} %r, %a, %d0;", [kind] * 2, kind,
          lambda a, b: a - truncated_quotient(a, divisor(b)) * divisor(b), declare=safe)  # fmt: skip


@pytest.mark.parametrize("kind", INTEGERS)
def test_division_by_zero_does_not_fault(gpu: Driver, kind: str) -> None:
    zeros = column(kind, [0, 0, 0])
    gpu.elementwise(f"div.{kind} %r, %a, %b;", [column(kind, [0, 1, -1]), zeros], kind)
    gpu.elementwise(f"rem.{kind} %r, %a, %b;", [column(kind, [0, 1, -1]), zeros], kind)


@pytest.mark.parametrize("kind", ["s16", "s32", "s64"])
def test_abs_and_neg(gpu: Driver, kind: str) -> None:
    check(gpu, f"abs.{kind} %r, %a;", [kind], kind, abs)
    check(gpu, f"neg.{kind} %r, %a;", [kind], kind, lambda a: -a)


@pytest.mark.parametrize("bits", [32, 64])
def test_carry_chains(gpu: Driver, bits: int) -> None:
    """Two words each: add.cc/addc, sub.cc/subc and mad.lo.cc/madc.hi."""
    kind, double = f"u{bits}", 2 * bits
    high, low = [values(kind, seed=i) for i in (1, 2)], [values(kind, seed=i) for i in (3, 4)]
    args = [column(kind, x) for x in (low[0], high[0], low[1], high[1])]
    for name, function in {"add": lambda x, y: x + y, "sub": lambda x, y: x - y}.items():
        body = f"{name}.cc.{kind} %r, %a, %c; {name}c.{kind} %q, %b, %d;"
        r, q = gpu.elementwise(body, args, [kind, kind])
        for a, b, c, d, lo, hi in zip(low[0], high[0], low[1], high[1], r.tolist(), q.tolist(), strict=True):
            want = function(a | b << bits, c | d << bits) % (1 << double)
            assert lo | hi << bits == want
    body = f"mad.lo.cc.{kind} %r, %a, %b, %c; madc.hi.{kind} %q, %a, %b, %d;"
    r, q = gpu.elementwise(body, args, [kind, kind])
    for a, b, c, d, lo, hi in zip(low[0], high[0], low[1], high[1], r.tolist(), q.tolist(), strict=True):
        assert lo | hi << bits == (a * b + (c | d << bits)) % (1 << double)


def test_carry_through_three_words(gpu: Driver) -> None:
    """addc.cc passes the carry on, and reads it as well."""
    body = "add.cc.u32 %r, %a, %b; addc.cc.u32 %q, %c, %d; addc.u32 %r, 0, 0;"
    columns = [values("u32", seed=i) for i in range(4)]
    r, q = gpu.elementwise(body, [column("u32", c) for c in columns], ["u32", "u32"])
    for a, b, c, d, carry, word in zip(*columns, r.tolist(), q.tolist(), strict=True):
        total = (a | c << 32) + (b | d << 32)
        assert (word, carry) == (total >> 32 & 0xFFFFFFFF, total >> 64)


@pytest.mark.parametrize("bits", [32, 64])
def test_borrow_is_an_inverted_carry(gpu: Driver, bits: int) -> None:
    """addc after sub.cc adds 1 where nothing was borrowed: nvcc's 128-bit division relies on it."""
    kind = f"u{bits}"
    a, b = values(kind, seed=1), values(kind, seed=2)
    body = f"sub.cc.{kind} %q, %a, %b; addc.{kind} %r, 0, 0;"
    r, _ = gpu.elementwise(body, [column(kind, a), column(kind, b)], [kind, kind])
    assert r.tolist() == [int(x >= y) for x, y in zip(a, b, strict=True)]


def test_immediates(gpu: Driver) -> None:
    """Decimal, hexadecimal, octal, binary and negative literals, and constant expressions."""
    for literal, value in {
        "-7": -7, "0x7fffffff": 0x7FFFFFFF, "0xFFFFFFFFU": 0xFFFFFFFF, "017": 15, "0b101": 5,
        "(3*4+1)": 13, "(1<<20)": 1 << 20, "-2147483648": -(1 << 31),
    }.items():  # fmt: skip
        check(gpu, f"add.s32 %r, %a, {literal};", ["s32"], "s32", lambda a, v=value: a + v)
    check(gpu, "add.s64 %r, %a, -9223372036854775808;", ["s64"], "s64", lambda a: a - (1 << 63))
