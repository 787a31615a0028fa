# SPDX-License-Identifier: BSD-3-Clause
"""add sub mul fma div rcp sqrt min max abs neg in f32 and f64, with every rounding mode, .ftz and .sat."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from . import floats
from .floats import F32, F64, FORMATS, Format
from .harness import DTYPES, Driver

MODES = ["rn", "rz", "rm", "rp"]
OPERATIONS = {
    "add": (2, floats.add),
    "sub": (2, floats.sub),
    "mul": (2, floats.mul),
    "fma": (3, floats.fma),
    "div": (2, floats.div),
    "rcp": (1, lambda a, mode: floats.div(floats.Fraction(1), a, mode)),
    "sqrt": (1, floats.sqrt),
}


def argument_rows(fmt: Format, arity: int, count: int = 250) -> list[list[int]]:
    """Edges against edges, then random rows; for sums also rows that nearly cancel."""
    rng = random.Random(f"{fmt.name}{arity}")
    edges = floats.samples(fmt, 0)
    pool = floats.samples(fmt, count)
    rows = [[rng.choice(edges) for _ in range(arity)] for _ in range(count)]
    rows += [[rng.choice(pool) for _ in range(arity)] for _ in range(count)]
    rows += [[a, *([a ^ fmt.sign_bit] * (arity - 1))] for a in pool[: count // 4]]
    return rows + [[a] * arity for a in edges]


def compare(fmt: Format, rows: list[list[int]], got: np.ndarray, want: list[int]) -> None:
    for row, bits, right in zip(rows, got.tolist(), want, strict=True):
        if fmt.is_nan(right) and fmt.is_nan(bits) and fmt is F64:
            continue  # a double NaN keeps a payload that PTX does not specify
        assert bits == right, f"{[hex(x) for x in row]} gave {bits:#x}, not {right:#x}"


def check(gpu: Driver, name: str, fmt: Format, modifiers: str, mode: str, ftz: bool, sat: bool) -> None:
    arity, op = OPERATIONS[name]
    rows = argument_rows(fmt, arity)
    if ftz:
        rows = [row for row in rows if not floats.flush_is_ambiguous(fmt, op, row, mode)]
    inputs = [(fmt.name, np.array([row[i] for row in rows], DTYPES[fmt.name])) for i in range(arity)]
    registers = ", ".join(f"%{letter}" for letter in "abc"[:arity])
    got = gpu.elementwise(f"{name}{modifiers}.{fmt.name} %r, {registers};", inputs, fmt.name)
    want = [floats.expected(fmt, op, row, mode, ftz, sat) for row in rows]
    compare(fmt, rows, got, want)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ftz", [False, True], ids=["", "ftz"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_f32(gpu: Driver, name: str, mode: str, ftz: bool) -> None:
    check(gpu, name, F32, f".{mode}" + ".ftz" * ftz, mode, ftz, False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_f64(gpu: Driver, name: str, mode: str) -> None:
    check(gpu, name, F64, f".{mode}", mode, False, False)


@pytest.mark.parametrize("ftz", [False, True], ids=["", "ftz"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "fma"])
def test_f32_sat(gpu: Driver, name: str, ftz: bool) -> None:
    for mode in ("rn", "rz"):
        check(gpu, name, F32, f".{mode}" + ".ftz" * ftz + ".sat", mode, ftz, True)


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@pytest.mark.parametrize("fmt", [F32, F64], ids=["f32", "f64"])
def test_no_rounding_modifier_means_nearest(gpu: Driver, name: str, fmt: Format) -> None:
    check(gpu, name, fmt, "", "rn", False, False)


def test_mad_is_fused(gpu: Driver) -> None:
    """mad.rn.f32 and mad.rn.f64 are fma: one rounding."""
    for fmt in (F32, F64):
        rows = argument_rows(fmt, 3)
        inputs = [(fmt.name, np.array([row[i] for row in rows], DTYPES[fmt.name])) for i in range(3)]
        got = gpu.elementwise(f"mad.rn.{fmt.name} %r, %a, %b, %c;", inputs, fmt.name)
        compare(fmt, rows, got, [floats.expected(fmt, floats.fma, row, "rn") for row in rows])


def min_max(fmt: Format, name: str, a: int, b: int, nan: bool, ftz: bool) -> int:
    """PTX min and max: -0 < +0; a NaN loses against a number, unless .NaN is given."""
    if ftz:
        a, b = fmt.flush(a), fmt.flush(b)
    if fmt.is_nan(a) or fmt.is_nan(b):
        if nan or (fmt.is_nan(a) and fmt.is_nan(b)):
            return fmt.quiet_nan
        return b if fmt.is_nan(a) else a

    def order(bits: int) -> int:
        return -(bits & ~fmt.sign_bit) - 1 if bits & fmt.sign_bit else bits

    return min(a, b, key=order) if name == "min" else max(a, b, key=order)


@pytest.mark.parametrize("modifiers", ["f32", "ftz.f32", "NaN.f32", "ftz.NaN.f32", "f64"])
@pytest.mark.parametrize("name", ["min", "max"])
def test_min_max(gpu: Driver, name: str, modifiers: str) -> None:
    fmt = FORMATS[modifiers.split(".")[-1]]
    rows = argument_rows(fmt, 2)
    inputs = [(fmt.name, np.array([row[i] for row in rows], DTYPES[fmt.name])) for i in range(2)]
    got = gpu.elementwise(f"{name}.{modifiers} %r, %a, %b;", inputs, fmt.name)
    want = [min_max(fmt, name, a, b, "NaN" in modifiers, "ftz" in modifiers) for a, b in rows]
    compare(fmt, rows, got, want)


@pytest.mark.parametrize("modifiers", ["f32", "ftz.f32", "f64"])
@pytest.mark.parametrize("name", ["abs", "neg"])
def test_abs_neg(gpu: Driver, name: str, modifiers: str) -> None:
    fmt = FORMATS[modifiers.split(".")[-1]]
    bits = [x for x in floats.samples(fmt, 300) if not fmt.is_nan(x)]
    got = gpu.elementwise(
        f"{name}.{modifiers} %r, %a;", [(fmt.name, np.array(bits, DTYPES[fmt.name]))], fmt.name
    )
    for x, result in zip(bits, got.tolist(), strict=True):
        source = fmt.flush(x) if "ftz" in modifiers else x
        assert result == (source & ~fmt.sign_bit if name == "abs" else source ^ fmt.sign_bit)


def classes(fmt: Format) -> dict[str, Callable[[int], bool]]:
    """What testp asks, as functions of the bits."""
    return {
        "finite": lambda x: (x & ~fmt.sign_bit) < fmt.infinity,
        "infinite": lambda x: (x & ~fmt.sign_bit) == fmt.infinity,
        "number": lambda x: not fmt.is_nan(x),
        "notanumber": fmt.is_nan,
        "normal": lambda x: (x & ~fmt.sign_bit) < fmt.infinity and not fmt.is_subnormal(x),  # zeros as well
        "subnormal": fmt.is_subnormal,
    }


def test_copysign_and_testp(gpu: Driver) -> None:
    for fmt in (F32, F64):
        bits = floats.samples(fmt, 200)
        other = bits[::-1]
        columns = [(fmt.name, np.array(x, DTYPES[fmt.name])) for x in (bits, other)]
        got = gpu.elementwise(f"copysign.{fmt.name} %r, %a, %b;", columns, fmt.name).tolist()
        # copysign d, a, b: the sign of a on the magnitude of b
        assert got == [(b & ~fmt.sign_bit) | (a & fmt.sign_bit) for a, b in zip(bits, other, strict=True)]
        for test, is_it in classes(fmt).items():
            body = f"testp.{test}.{fmt.name} %p, %a; selp.u32 %r, 1, 0, %p;"
            got = gpu.elementwise(body, columns[:1], "u32", declare=".reg .pred %p;").tolist()
            assert got == [int(is_it(x)) for x in bits], test


def test_literals_are_exact(gpu: Driver) -> None:
    """0f and 0d literals are bits; a decimal literal is a double, rounded to f32 where one is needed."""
    dummy = [("u32", np.zeros(1, np.uint32))]
    assert gpu.elementwise("mov.f32 %r, 0f3DCCCCCD;", dummy, "f32")[0] == 0x3DCCCCCD
    assert gpu.elementwise("mov.f64 %r, 0d3FB999999999999A;", dummy, "f64")[0] == 0x3FB999999999999A
    assert gpu.elementwise("mov.f32 %r, 0.1;", dummy, "f32")[0] == 0x3DCCCCCD
    assert gpu.elementwise("mov.f64 %r, -1.5e-3;", dummy, "f64")[0] == F64.from_float(-1.5e-3)


def test_f64_to_f32_ops_do_not_contract(gpu: Driver) -> None:
    """mul.rn then add.rn rounds twice: an explicit rounding modifier forbids contraction into fma."""
    a = F32.from_float(1 + 2**-12)
    body = ".reg .f32 %t; mul.rn.f32 %t, %a, %a; add.rn.f32 %r, %t, %b;"
    b = F32.from_float(-(1 + 2**-11))
    got = gpu.elementwise("{" + body + "}", [("f32", np.array([a])), ("f32", np.array([b]))], "f32")
    assert got[0] == 0
