# SPDX-License-Identifier: BSD-3-Clause
"""f16 and bf16 arithmetic, scalar and packed by two."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from . import floats
from .floats import BF16, F16, FORMATS, Format
from .harness import DTYPES, HEADER, SM_90, Driver, sm_90_or_skip
from .test_float_arithmetic import OPERATIONS, argument_rows, min_max


def check(
    gpu: Driver, body: str, fmt: Format, arity: int, want: Callable[..., int], *, header: str = HEADER
) -> None:
    """The scalar instruction, then the same one packed, on rows two by two."""
    rows = argument_rows(fmt, arity)
    rows += rows[: len(rows) % 2]
    registers = ", ".join(f"%{letter}" for letter in "abc"[:arity])
    right = [want(*row) for row in rows]
    inputs = [(fmt.name, np.array([row[i] for row in rows], np.uint16)) for i in range(arity)]
    scalar = gpu.elementwise(f"{body}.{fmt.name} %r, {registers};", inputs, fmt.name, header=header)
    packed_in = [(f"{fmt.name}x2", array.view(np.uint32)) for _, array in inputs]
    packed = gpu.elementwise(
        f"{body}.{fmt.name}x2 %r, {registers};", packed_in, f"{fmt.name}x2", header=header
    )
    for result in (scalar, packed.view(np.uint16)):
        for row, bits, expected in zip(rows, result.tolist(), right, strict=True):
            if "relu" in body and bits == fmt.sign_bit and not expected:
                continue  # the manual does not say whether -0 counts as negative
            assert bits == expected, f"{body} of {[hex(x) for x in row]} gave {bits:#x}, not {expected:#x}"


@pytest.mark.parametrize("modifiers", ["", ".rn", ".ftz", ".sat", ".rn.ftz.sat"])
@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_f16_arithmetic(gpu: Driver, name: str, modifiers: str) -> None:
    ftz, sat = "ftz" in modifiers, "sat" in modifiers
    arity, op = OPERATIONS[name]
    check(gpu, name + modifiers, F16, arity, lambda *row: floats.expected(F16, op, list(row), "rn", ftz, sat))


@pytest.mark.parametrize("modifiers", [".rn", ".rn.ftz", ".rn.sat", ".rn.relu"])
def test_f16_fma(gpu: Driver, modifiers: str) -> None:
    check(gpu, "fma" + modifiers, F16, 3, lambda *row: fma(F16, modifiers, list(row)))


@pytest.mark.parametrize("modifiers", [".rn", ".rn.relu"])
def test_bf16_fma(gpu: Driver, modifiers: str) -> None:
    check(gpu, "fma" + modifiers, BF16, 3, lambda *row: fma(BF16, modifiers, list(row)))


def fma(fmt: Format, modifiers: str, row: list[int]) -> int:
    bits = floats.expected(fmt, floats.fma, row, "rn", "ftz" in modifiers, "sat" in modifiers)
    return 0 if "relu" in modifiers and bits & fmt.sign_bit else bits


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_bf16_arithmetic(gpu: Driver, name: str) -> None:
    """add, sub and mul of bf16 belong to compute capability 9.0: earlier devices may refuse them."""
    arity, op = OPERATIONS[name]
    with sm_90_or_skip():
        check(gpu, name, BF16, arity, lambda *row: floats.expected(BF16, op, list(row), "rn"), header=SM_90)


@pytest.mark.parametrize("fmt", [F16, BF16], ids=["f16", "bf16"])
@pytest.mark.parametrize("modifiers", ["", ".NaN"])
@pytest.mark.parametrize("name", ["min", "max"])
def test_min_max(gpu: Driver, name: str, modifiers: str, fmt: Format) -> None:
    check(gpu, name + modifiers, fmt, 2, lambda a, b: min_max(fmt, name, a, b, bool(modifiers), False))


@pytest.mark.parametrize("fmt", [F16, BF16], ids=["f16", "bf16"])
def test_abs_and_neg(gpu: Driver, fmt: Format) -> None:
    bits = [x for x in floats.samples(fmt, 200) if not fmt.is_nan(x)]
    column = [(fmt.name, np.array(bits, np.uint16))]
    assert gpu.elementwise(f"abs.{fmt.name} %r, %a;", column, fmt.name).tolist() == [
        x & ~fmt.sign_bit for x in bits
    ]
    assert gpu.elementwise(f"neg.{fmt.name} %r, %a;", column, fmt.name).tolist() == [
        x ^ fmt.sign_bit for x in bits
    ]


@pytest.mark.parametrize(
    ("instruction", "kind", "relative", "absolute"),
    [
        ("ex2.approx.f16", "f16", 2**-9.9, 2**-24),
        ("tanh.approx.f16", "f16", 0, 2**-10.9),
        ("tanh.approx.f16x2", "f16", 0, 2**-10.9),
        ("ex2.approx.f16x2", "f16", 2**-9.9, 2**-24),
    ],
)
def test_approximations(gpu: Driver, instruction: str, kind: str, relative: float, absolute: float) -> None:
    rng = random.Random(2)
    x = np.array([rng.uniform(-8, 8) for _ in range(512)], np.float16)
    packed = instruction.endswith("x2")
    column = x.view(np.uint32) if packed else x.view(np.uint16)
    shape = kind + "x2" * packed
    got = gpu.elementwise(f"{instruction} %r, %a;", [(shape, column)], shape).view(np.float16).astype(float)
    want = (np.exp2 if "ex2" in instruction else np.tanh)(x.astype(float))
    assert np.all(np.abs(got - want) <= relative * np.abs(want) + absolute)


@pytest.mark.parametrize("fmt", [F16, BF16], ids=["f16", "bf16"])
def test_packing_and_unpacking(gpu: Driver, fmt: Format) -> None:
    low, high = floats.samples(fmt, 50), floats.samples(fmt, 50)[::-1]
    inputs = [(fmt.name, np.array(column, np.uint16)) for column in (low, high)]
    got = gpu.elementwise("mov.b32 %r, {%a, %b};", inputs, "b32").tolist()
    assert got == [a | b << 16 for a, b in zip(low, high, strict=True)]
    back = gpu.elementwise("mov.b32 {%r, %q}, %a;", [("b32", np.array(got, np.uint32))], [fmt.name, fmt.name])
    assert [part.tolist() for part in back] == [low, high]


def test_formats_of_the_harness_agree_with_numpy() -> None:
    """The exact arithmetic that all these tests rest on, against numpy's own half and single."""
    rng = random.Random(8)
    for fmt, dtype in ((F16, np.float16), (FORMATS["f32"], np.float32)):
        for _ in range(300):
            a, b = (rng.getrandbits(fmt.bits) for _ in range(2))
            x, y = (np.array(v, DTYPES[fmt.name]).view(dtype) for v in (a, b))
            for name, function in {"add": np.add, "mul": np.multiply, "div": np.divide}.items():
                with np.errstate(all="ignore"):
                    right = int(np.asarray(function(x, y)).view(DTYPES[fmt.name]))
                mine = floats.expected(fmt, OPERATIONS[name][1], [a, b], "rn")
                assert mine == right or (fmt.is_nan(mine) and fmt.is_nan(right)), (name, hex(a), hex(b))
