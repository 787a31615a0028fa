# SPDX-License-Identifier: BSD-3-Clause
"""The .approx instructions, within the errors that the PTX ISA manual states, and their special values."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from .harness import Driver

INF, NAN = math.inf, math.nan


def run(gpu: Driver, body: str, *columns: np.ndarray) -> np.ndarray:
    inputs = [("f32", column.astype(np.float32).view(np.uint32)) for column in columns]
    return np.asarray(gpu.elementwise(body, inputs, "f32").view(np.float32).astype(np.float64))


def magnitudes(low: float, high: float, count: int = 2000) -> np.ndarray:
    """Both signs, 2**low to 2**high."""
    rng = np.random.default_rng(5)
    sign = rng.choice([-1.0, 1.0], count)
    return np.asarray((sign * np.exp2(rng.uniform(low, high, count))).astype(np.float32).astype(np.float64))


def ulp(value: np.ndarray) -> np.ndarray:
    return np.spacing(np.abs(value).astype(np.float32)).astype(np.float64)


@pytest.mark.parametrize("ftz", ["", ".ftz"])
def test_division(gpu: Driver, ftz: str) -> None:
    """div.approx: 2 ulp for 2**-126 <= |b| <= 2**126; div.full: 2 ulp throughout."""
    a, b = magnitudes(-30, 30), magnitudes(-60, 60)[::-1]
    for kind in ("approx", "full"):
        got = run(gpu, f"div.{kind}{ftz}.f32 %r, %a, %b;", a, b)
        assert np.all(np.abs(got - a / b) <= 2 * ulp(a / b)), kind
    big = np.full(3, 2.0**127)
    got = run(gpu, f"div.approx{ftz}.f32 %r, %a, %b;", np.array([1.0, 0.0]), big)
    # The manual: 0 for 2**126 < |b| < 2**128. What keeps subnormals may come closer to the quotient.
    assert 0 <= got[0] <= 2.0**-126
    assert got[1] == 0


@pytest.mark.parametrize("ftz", ["", ".ftz"])
@pytest.mark.parametrize(
    ("name", "function", "relative"),
    [
        ("rcp", lambda x: 1 / x, 2**-23),
        ("sqrt", lambda x: np.sqrt(np.abs(x)), 2**-22),
        ("rsqrt", lambda x: 1 / np.sqrt(np.abs(x)), 2**-22),
    ],
)
def test_roots_and_reciprocals(
    gpu: Driver, name: str, function: Callable[[np.ndarray], np.ndarray], relative: float, ftz: str
) -> None:
    x = magnitudes(-100, 100)
    if name != "rcp":
        x = np.abs(x)
    got = run(gpu, f"{name}.approx{ftz}.f32 %r, %a;", x)
    want = function(x)
    assert np.all(np.abs(got - want) <= np.maximum(relative * np.abs(want), ulp(want)))


@pytest.mark.parametrize("ftz", ["", ".ftz"])
@pytest.mark.parametrize(("name", "function"), [("sin", np.sin), ("cos", np.cos)])
def test_sine_and_cosine(
    gpu: Driver, name: str, function: Callable[[np.ndarray], np.ndarray], ftz: str
) -> None:
    x = np.linspace(-2 * np.pi, 2 * np.pi, 4001).astype(np.float32).astype(np.float64)
    got = run(gpu, f"{name}.approx{ftz}.f32 %r, %a;", x)
    assert np.max(np.abs(got - function(x))) <= 2**-20.5


@pytest.mark.parametrize("ftz", ["", ".ftz"])
def test_exponential_and_logarithm(gpu: Driver, ftz: str) -> None:
    x = np.random.default_rng(6).uniform(-125, 127, 3000).astype(np.float32).astype(np.float64)
    got = run(gpu, f"ex2.approx{ftz}.f32 %r, %a;", x)
    assert np.all(np.abs(got - np.exp2(x)) <= 2**-22 * np.exp2(x))
    x = np.abs(magnitudes(-120, 120))
    got = run(gpu, f"lg2.approx{ftz}.f32 %r, %a;", x)
    assert np.all(np.abs(got - np.log2(x)) <= 2**-22 * np.maximum(1, np.abs(np.log2(x))))
    x = np.linspace(0.5, 2, 1001).astype(np.float32).astype(np.float64)
    got = run(gpu, f"lg2.approx{ftz}.f32 %r, %a;", x)
    assert np.max(np.abs(got - np.log2(x))) <= 2**-22


def test_tanh(gpu: Driver) -> None:
    x = np.concatenate([magnitudes(-20, 4), [0.0, INF, -INF]])
    got = run(gpu, "tanh.approx.f32 %r, %a;", x)
    assert np.all(np.abs(got - np.tanh(x)) <= 2**-11 * np.abs(np.tanh(x)))


# Pairs of an input and its result; 0.0 and -0.0 are different inputs.
SPECIAL = {
    "rcp": [(0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, -0.0), (NAN, NAN)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, NAN), (-1.0, NAN), (NAN, NAN), (4.0, 2.0)],
    "rsqrt": [(0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, NAN), (-1.0, NAN), (NAN, NAN)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "lg2": [(0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (-1.0, NAN), (NAN, NAN), (1.0, 0.0)],
    "ex2": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (200.0, INF), (-200.0, 0.0)],
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(gpu: Driver, name: str) -> None:
    points = SPECIAL[name]
    for ftz in ("", ".ftz"):
        got = run(gpu, f"{name}.approx{ftz}.f32 %r, %a;", np.array([x for x, _ in points]))
        for (x, want), result in zip(points, got.tolist(), strict=True):
            assert repr(result) == repr(want), f"{name}({x}) gave {result}, not {want}"


def test_subnormal_inputs(gpu: Driver) -> None:
    """.ftz reads a subnormal as zero; without it the value counts."""
    tiny = np.array([2.0**-128])
    assert run(gpu, "rcp.approx.ftz.f32 %r, %a;", tiny)[0] == INF
    assert run(gpu, "lg2.approx.ftz.f32 %r, %a;", tiny)[0] == -INF
    assert run(gpu, "lg2.approx.f32 %r, %a;", tiny)[0] == -128
    assert run(gpu, "sqrt.approx.f32 %r, %a;", tiny)[0] == 2.0**-64
    assert run(gpu, "rsqrt.approx.ftz.f32 %r, %a;", tiny)[0] == INF
    assert run(gpu, "rsqrt.approx.f32 %r, %a;", tiny)[0] == 2.0**64


@pytest.mark.parametrize(
    ("instruction", "function", "relative"),
    [
        ("rcp.approx.ftz.f64", lambda x: 1 / x, 2**-19),
        ("rsqrt.approx.ftz.f64", lambda x: 1 / np.sqrt(x), 2**-19),
        ("rsqrt.approx.f64", lambda x: 1 / np.sqrt(x), 2**-30),
    ],
)
def test_f64(
    gpu: Driver, instruction: str, function: Callable[[np.ndarray], np.ndarray], relative: float
) -> None:
    x = np.abs(magnitudes(-100, 100)) * (1 + 2.0**-40)
    got = gpu.elementwise(f"{instruction} %r, %a;", [("f64", x.view(np.uint64))], "f64").view(np.float64)
    assert np.all(np.abs(got / function(x) - 1) <= relative)
