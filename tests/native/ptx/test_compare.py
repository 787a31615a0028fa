# SPDX-License-Identifier: BSD-3-Clause
"""setp, set, selp and slct: every comparison in every type, unordered ones and boolean combinations too."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from . import floats
from .floats import F16, FORMATS, Format
from .harness import DTYPES, SM_90, Driver, sm_90_or_skip
from .test_integer import column, values

ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge,
}  # fmt: skip
UNSIGNED_NAMES = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
PREDICATES = ".reg .pred %p, %s, %t, %u;"
KEEP = "selp.u32 %r, 1, 0, %p;"
BOOLEANS: dict[str, Callable[[int, int], int]] = {
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}


def pairs(kind: str) -> tuple[list[int], list[int]]:
    a, b = values(kind, seed=1), values(kind, seed=2)
    return a + a, b + a  # with equal pairs


def float_pairs(fmt: Format) -> tuple[list[int], list[int]]:
    edges = floats.samples(fmt, 60)
    other = edges[1:] + edges[:1]
    return edges * 3, other + edges + edges[::-1]


def compare(fmt: Format, name: str, a: int, b: int, ftz: bool = False) -> bool:
    """A float comparison: the plain names are false on NaN (so is ne), the ...u names true."""
    x, y = (fmt.decode(fmt.flush(bits) if ftz else bits) for bits in (a, b))
    unordered = floats.NAN in (x, y)
    if name in ("num", "nan"):
        return unordered == (name == "nan")
    if unordered:
        return name.endswith("u")
    return ORDERED[name.removesuffix("u")](x, y)


@pytest.mark.parametrize("kind", ["u16", "s16", "u32", "s32", "u64", "s64"])
def test_setp_integers(gpu: Driver, kind: str) -> None:
    a, b = pairs(kind)
    names = dict.fromkeys(ORDERED) | (dict.fromkeys(UNSIGNED_NAMES) if kind[0] == "u" else {})
    for name in names:
        function = ORDERED[UNSIGNED_NAMES.get(name, name)]
        got = gpu.elementwise(
            f"setp.{name}.{kind} %p, %a, %b; {KEEP}",
            [column(kind, a), column(kind, b)],
            "u32",
            declare=PREDICATES,
        )
        assert got.tolist() == [int(function(x, y)) for x, y in zip(a, b, strict=True)], name


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_setp_untyped(gpu: Driver, bits: int) -> None:
    a, b = pairs(f"u{bits}")
    for name in ("eq", "ne"):
        got = gpu.elementwise(
            f"setp.{name}.b{bits} %p, %a, %b; {KEEP}", [column(f"u{bits}", a), column(f"u{bits}", b)], "u32",
            declare=PREDICATES,
        )  # fmt: skip
        assert got.tolist() == [int(ORDERED[name](x, y)) for x, y in zip(a, b, strict=True)]


FLOAT_NAMES = [*ORDERED, *(f"{name}u" for name in ORDERED), "num", "nan"]


@pytest.mark.parametrize("kind", ["f32", "ftz.f32", "f64", "f16", "ftz.f16"])
@pytest.mark.parametrize("name", FLOAT_NAMES)
def test_setp_floats(gpu: Driver, name: str, kind: str) -> None:
    fmt = FORMATS[kind.split(".")[-1]]
    a, b = float_pairs(fmt)
    inputs = [(fmt.name, np.array(x, DTYPES[fmt.name])) for x in (a, b)]
    got = gpu.elementwise(f"setp.{name}.{kind} %p, %a, %b; {KEEP}", inputs, "u32", declare=PREDICATES)
    assert got.tolist() == [int(compare(fmt, name, x, y, "ftz" in kind)) for x, y in zip(a, b, strict=True)]


def test_setp_bf16(gpu: Driver) -> None:
    fmt = FORMATS["bf16"]
    a, b = float_pairs(fmt)
    inputs = [("bf16", np.array(x, np.uint16)) for x in (a, b)]
    with sm_90_or_skip():
        for name in FLOAT_NAMES:
            body = f"setp.{name}.bf16 %p, %a, %b; {KEEP}"
            got = gpu.elementwise(body, inputs, "u32", declare=PREDICATES, header=SM_90).tolist()
            assert got == [int(compare(fmt, name, x, y)) for x, y in zip(a, b, strict=True)], name


@pytest.mark.parametrize("boolean", BOOLEANS)
def test_setp_combined_with_a_predicate(gpu: Driver, boolean: str) -> None:
    """setp.cmp.bool p|q, a, b, c: p = (a cmp b) bool c, q = !(a cmp b) bool c; c may be negated."""
    a, b = pairs("s32")
    c = [x & 1 for x in a]
    inputs = [column("s32", a), column("s32", b), column("u32", c)]
    for bang in ("", "!"):
        body = f"""
            setp.ne.u32 %s, %c, 0;
            setp.lt.{boolean}.s32 %p|%t, %a, %b, {bang}%s;
            selp.u32 %r, 1, 0, %p;
            selp.u32 %q, 1, 0, %t;
        """
        p, q = gpu.elementwise(body, inputs, ["u32", "u32"], declare=PREDICATES)
        third = [1 - x for x in c] if bang else c
        assert p.tolist() == [BOOLEANS[boolean](int(x < y), z) for x, y, z in zip(a, b, third, strict=True)]
        assert q.tolist() == [
            BOOLEANS[boolean](int(not x < y), z) for x, y, z in zip(a, b, third, strict=True)
        ]


def test_setp_packed_halves(gpu: Driver) -> None:
    a, b = float_pairs(F16)
    a, b = a[: len(a) // 2 * 2], b[: len(b) // 2 * 2]
    inputs = [("f16x2", np.array(x, np.uint16).view(np.uint32)) for x in (a, b)]
    body = "setp.ltu.f16x2 %p|%s, %a, %b; selp.u32 %r, 1, 0, %p; selp.u32 %q, 1, 0, %s;"
    low, high = gpu.elementwise(body, inputs, ["u32", "u32"], declare=PREDICATES)
    want = [int(compare(F16, "ltu", x, y)) for x, y in zip(a, b, strict=True)]
    assert (low.tolist(), high.tolist()) == (want[0::2], want[1::2])


@pytest.mark.parametrize("name", ["eq", "lt", "geu", "nan"])
def test_set_on_floats(gpu: Driver, name: str) -> None:
    """All ones, or 1.0 for an f32 destination."""
    fmt = FORMATS["f32"]
    a, b = float_pairs(fmt)
    inputs = [("f32", np.array(x, np.uint32)) for x in (a, b)]
    truth = [compare(fmt, name, x, y) for x, y in zip(a, b, strict=True)]
    for out, yes in {"u32": 0xFFFFFFFF, "s32": -1, "f32": 0x3F800000}.items():
        got = gpu.elementwise(f"set.{name}.{out}.f32 %r, %a, %b;", inputs, out).tolist()
        assert got == [yes if true else 0 for true in truth], out


def test_set_on_integers_and_halves(gpu: Driver) -> None:
    a, b = pairs("s64")
    inputs = [column("s64", a), column("s64", b)]
    got = gpu.elementwise("set.gt.u32.s64 %r, %a, %b;", inputs, "u32").tolist()
    assert got == [0xFFFFFFFF if x > y else 0 for x, y in zip(a, b, strict=True)]
    body = "setp.ne.s64 %s, %b, 0; set.gt.and.f32.s64 %r, %a, %b, %s;"
    got = gpu.elementwise(body, inputs, "f32", declare=PREDICATES).tolist()
    assert got == [0x3F800000 if x > y and y else 0 for x, y in zip(a, b, strict=True)]
    a, b = float_pairs(F16)
    a, b = a[: len(a) // 2 * 2], b[: len(b) // 2 * 2]
    truth = [compare(F16, "le", x, y) for x, y in zip(a, b, strict=True)]
    inputs = [("f16", np.array(x, np.uint16)) for x in (a, b)]
    assert gpu.elementwise("set.le.f16.f16 %r, %a, %b;", inputs, "f16").tolist() == [
        0x3C00 * t for t in truth
    ]
    packed = [("f16x2", array.view(np.uint32)) for _, array in inputs]
    got = gpu.elementwise("set.le.f16x2.f16x2 %r, %a, %b;", packed, "f16x2").view(np.uint16).tolist()
    assert got == [0x3C00 * t for t in truth]


@pytest.mark.parametrize("kind", ["b16", "b32", "b64", "u16", "s32", "u64", "f32", "f64"])
def test_selp(gpu: Driver, kind: str) -> None:
    unsigned = f"u{int(kind.lstrip('bsuf'))}"
    a, b = pairs(unsigned)
    condition = [x & 1 for x in a]
    body = f"setp.ne.u32 %p, %c, 0; selp.{kind} %r, %a, %b, %p;"
    inputs = [column(unsigned, a), column(unsigned, b), column("u32", condition)]
    got = gpu.elementwise(body, inputs, unsigned, declare=PREDICATES).tolist()
    assert got == [x if c else y for x, y, c in zip(a, b, condition, strict=True)]


def test_slct(gpu: Driver) -> None:
    """a where c >= 0, else b; -0.0 counts as zero, a NaN as negative."""
    a, b = values("u64", seed=1), values("u64", seed=2)
    c = values("s32", seed=3)
    inputs = [column("u64", a), column("u64", b), column("s32", c)]
    got = gpu.elementwise("slct.u64.s32 %r, %a, %b, %c;", inputs, "u64").tolist()
    assert got == [x if z >= 0 else y for x, y, z in zip(a, b, c, strict=True)]
    fmt = FORMATS["f32"]
    keys = floats.samples(fmt, 100)
    a, b = list(range(len(keys))), [1000 + i for i in range(len(keys))]
    inputs = [column("u32", a), column("u32", b), ("f32", np.array(keys, np.uint32))]
    for ftz in ("", "ftz."):
        got = gpu.elementwise(f"slct.{ftz}f32.f32 %r, %a, %b, %c;", inputs, "u32").tolist()
        zero_or_more = [compare(fmt, "ge", key, 0, bool(ftz)) for key in keys]
        assert got == [x if yes else y for x, y, yes in zip(a, b, zero_or_more, strict=True)]
