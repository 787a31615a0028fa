# SPDX-License-Identifier: BSD-3-Clause
"""Kernels of the kind a course writes, compiled by nvcc (kernels/*.cu, kernels/regenerate.sh)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from .harness import Buffer, Driver, Module, run_script

FOLDER = Path(__file__).parent / "kernels"


def load(gpu: Driver, name: str) -> Module:
    return gpu.load((FOLDER / f"{name}.ptx").read_text())


def launch(
    gpu: Driver, module: Module, name: str, grid: Any, block: Any, args: Sequence[Any], **more: Any
) -> None:
    gpu.launch(module.function(name), grid, block, args, **more)


def random(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_tiled_matmul(gpu: Driver) -> None:
    n = 100
    a, b = (random(i).uniform(-1, 1, (n, n)).astype(np.float32) for i in (1, 2))
    c = gpu.zeros(n * n, np.float32)
    launch(
        gpu, load(gpu, "matmul"), "matmul", (7, 7), (16, 16), [c, gpu.upload(a), gpu.upload(b), np.int32(n)]
    )
    np.testing.assert_allclose(c.get(np.float32).reshape(n, n), a @ b, rtol=1e-4, atol=1e-4)


def test_reductions(gpu: Driver) -> None:
    module, n = load(gpu, "reduce"), 20_000
    ints = random().integers(-(2**30), 2**30, n).astype(np.int32)
    out = gpu.zeros(1, np.int32)
    launch(gpu, module, "sum_int", 20, 256, [out, gpu.upload(ints), np.int32(n)])
    assert out.get(np.int32)[0] == ints.sum(dtype=np.int32)
    doubles = random().integers(-1000, 1000, n).astype(np.float64)
    out = gpu.zeros(1, np.float64)
    launch(gpu, module, "sum_double", 13, 128, [out, gpu.upload(doubles), np.int32(n)])
    assert out.get(np.float64)[0] == doubles.sum()
    longs = random().integers(0, 2**63, n).astype(np.uint64)
    out = gpu.zeros(1, np.uint64)
    launch(gpu, module, "sum_u64", 5, 1024, [out, gpu.upload(longs), np.int32(n)])
    assert out.get(np.uint64)[0] == longs.sum(dtype=np.uint64)
    out = gpu.upload(np.array([2**31 - 1, -(2**31)], np.int32))
    launch(gpu, module, "extremes", -(-n // 256), 256, [out, gpu.upload(ints), np.int32(n)])
    assert out.get(np.int32).tolist() == [ints.min(), ints.max()]


def test_histogram(gpu: Driver) -> None:
    data = (random().normal(128, 30, 100_000) % 256).astype(np.uint8)
    bins = gpu.zeros(256, np.uint32)
    launch(gpu, load(gpu, "histogram"), "histogram", 24, 192, [bins, gpu.upload(data), np.int32(data.size)])
    np.testing.assert_array_equal(bins.get(np.uint32), np.bincount(data, minlength=256))


def test_scan(gpu: Driver) -> None:
    module, n, block = load(gpu, "scan"), 5000, 256
    data = random().integers(-100, 100, n).astype(np.int32)
    blocks = -(-n // (2 * block))
    cells, totals = gpu.upload(data), gpu.zeros(blocks, np.int32)
    args = [cells, totals, np.int32(n)]
    launch(gpu, module, "scan_blocks", blocks, block, args, shared=2 * block * 4)
    launch(gpu, module, "add_offsets", blocks, block, args)
    np.testing.assert_array_equal(cells.get(np.int32), np.cumsum(data))
    warp = gpu.upload(data[:32])
    launch(gpu, module, "scan_warp", 1, 32, [warp])
    np.testing.assert_array_equal(warp.get(np.int32), np.cumsum(data[:32]))


def test_transpose(gpu: Driver) -> None:
    matrix = random().uniform(size=(75, 130))
    out = gpu.zeros(matrix.size, np.float64)
    launch(gpu, load(gpu, "transpose"), "transpose", (5, 3), (32, 8),
           [out, gpu.upload(matrix), np.int32(130), np.int32(75)])  # fmt: skip
    np.testing.assert_array_equal(out.get(np.float64).reshape(130, 75), matrix.T)


def test_stencils(gpu: Driver) -> None:
    module, n = load(gpu, "stencil"), 1000
    weights = np.array([1, -2, 3, 4, 3, -2, 1], np.float32)
    gpu.copy_in(module.symbol("weights")[0], weights)
    data = random().integers(-50, 50, n).astype(np.float32)
    out = gpu.zeros(n, np.float32)
    launch(gpu, module, "stencil", -(-n // 128), 128, [out, gpu.upload(data), np.int32(n)])
    np.testing.assert_array_equal(out.get(np.float32), np.convolve(data, weights, "same"))
    grid = random().integers(0, 64, (40, 60)).astype(np.float32)
    out = gpu.zeros(grid.size, np.float32)
    launch(gpu, module, "heat", (4, 5), (16, 8), [out, gpu.upload(grid), np.int32(60), np.int32(40)])
    want = grid.copy()
    want[1:-1, 1:-1] = (grid[1:-1, :-2] + grid[1:-1, 2:] + grid[:-2, 1:-1] + grid[2:, 1:-1]) / 4
    np.testing.assert_array_equal(out.get(np.float32).reshape(40, 60), want)


def test_mandelbrot(gpu: Driver) -> None:
    width, height, limit = 90, 60, 100
    out = gpu.zeros(width * height, np.int32)
    launch(gpu, load(gpu, "mandelbrot"), "mandelbrot", (6, 4), (16, 16),
           [out, np.int32(width), np.int32(height), np.int32(limit)])  # fmt: skip
    cx = -2.0 + 3.0 * (np.arange(width) / width)[None, :]
    cy = -1.5 + 3.0 * (np.arange(height) / height)[:, None]
    x, y = np.zeros((height, width)), np.zeros((height, width))
    count, alive = np.zeros((height, width), int), np.ones((height, width), bool)
    for _ in range(limit):
        alive &= x * x + y * y <= 4
        count += alive
        step = (x * x - y * y) + cx
        y = np.where(alive, 2.0 * x * y + cy, y)
        x = np.where(alive, step, x)
    np.testing.assert_array_equal(out.get(np.int32).reshape(height, width), count)


def test_bitonic_sort(gpu: Driver) -> None:
    keys = random().integers(0, 2**32, (3, 512)).astype(np.uint32)
    buffer = gpu.upload(keys)
    launch(gpu, load(gpu, "bitonic"), "bitonic", 3, 128, [buffer, np.int32(512)], shared=2048)
    np.testing.assert_array_equal(buffer.get(np.uint32).reshape(3, 512), np.sort(keys, axis=1))


def test_nbody(gpu: Driver) -> None:
    n = 150
    bodies = random().uniform(-1, 1, (n, 4)).astype(np.float32)
    out = gpu.zeros(4 * n, np.float32)
    launch(gpu, load(gpu, "nbody"), "forces", 3, 64, [out, gpu.upload(bodies), np.int32(n)], shared=64 * 16)
    p, m = bodies[:, :3].astype(float), bodies[:, 3].astype(float)
    d = p[None, :, :] - p[:, None, :]
    want = (d * (m[None, :] / ((d**2).sum(-1) + 0.01) ** 1.5)[:, :, None]).sum(1)
    np.testing.assert_allclose(out.get(np.float32).reshape(n, 4)[:, :3], want, rtol=1e-4, atol=1e-3)


def test_monte_carlo(gpu: Driver) -> None:
    threads, rounds = 4 * 64, 50
    hits = gpu.zeros(1, np.uint64)
    launch(gpu, load(gpu, "montecarlo"), "quarter_circle", 4, 64, [hits, np.int32(rounds)])
    mask, count = (1 << 64) - 1, 0
    for t in range(threads):
        s = 0x9E3779B97F4A7C15 * (t + 1) & mask
        for _ in range(rounds):
            s ^= s >> 12
            s ^= s << 25 & mask
            s ^= s >> 27
            r = s * 0x2545F4914F6CDD1D & mask
            x, y = r >> 32, r & 0xFFFFFFFF
            count += x * x // 2 + y * y // 2 < 1 << 63
    assert hits.get(np.uint64)[0] == count
    assert abs(4 * count / (threads * rounds) - math.pi) < 0.05


def test_functors(gpu: Driver) -> None:
    module = load(gpu, "functor")
    names = re.findall(r"\.entry (\w+)\(", (FOLDER / "functor.ptx").read_text())
    plain = next(name for name in names if "Compose" not in name)
    composed = next(name for name in names if "Compose" in name)
    x, y = random(1).uniform(size=500), random(2).uniform(size=500)
    out = gpu.zeros(500, np.float64)
    args = [out, gpu.upload(x), gpu.upload(y), np.int32(500)]
    launch(gpu, module, plain, 2, 96, [*args, np.float64(4)])
    np.testing.assert_allclose(out.get(np.float64), 4 * x + y, rtol=1e-15)
    launch(gpu, module, composed, 2, 96, [*args, np.array([4, 1.0, 2.5])])
    np.testing.assert_allclose(out.get(np.float64), np.clip(4 * x + y, 1.0, 2.5), rtol=1e-15)


def test_recursion(gpu: Driver) -> None:
    module = load(gpu, "recursion")
    out = gpu.zeros(24, np.uint32)
    launch(gpu, module, "ackermanns", 1, 24, [out])
    formulas = [lambda n: n + 1, lambda n: n + 2, lambda n: 2 * n + 3]
    assert out.get(np.uint32).tolist() == [formulas[t % 3](t // 3) for t in range(24)]
    rows = random().integers(-1000, 1000, (48, 37)).astype(np.int32)
    buffer = gpu.upload(rows)
    launch(gpu, module, "sort_rows", 2, 24, [buffer, np.int32(37)])
    np.testing.assert_array_equal(buffer.get(np.int32).reshape(rows.shape), np.sort(rows, axis=1))


def test_virtual_calls_and_function_pointers(gpu: Driver) -> None:
    module = load(gpu, "virtual")
    out = gpu.zeros(32, np.float64)
    launch(gpu, module, "areas", 1, 32, [out])
    rectangle, circle = (lambda t: 20 * t + 4), (lambda t: 30 * t * t)
    want = [rectangle(t) + circle(t) + (rectangle(t) if t % 2 else circle(t)) for t in range(32)]
    assert out.get(np.float64).tolist() == want
    which = random().integers(0, 3, 64).astype(np.int32)
    result = gpu.zeros(64, np.int32)
    launch(gpu, module, "dispatch", 2, 32, [result, gpu.upload(which)])
    assert result.get(np.int32).tolist() == [(t * t, -t, t // 2)[w] for t, w in enumerate(which)]


def test_structures(gpu: Driver) -> None:
    inner = np.dtype([("tag", np.int8), ("weight", np.float64)], align=True)
    job = np.dtype([("offset", np.int16), ("inner", inner, 2), ("scale", np.float32),
                    ("flags", np.uint8, 3), ("base", np.int64)], align=True)  # fmt: skip
    value = np.zeros((), job)
    value["offset"], value["scale"], value["flags"], value["base"] = -7, 0.5, (1, 20, 255), 10**10
    value["inner"]["tag"], value["inner"]["weight"] = (3, -5), (1.5, 4.0)
    out = gpu.zeros(6, np.float64)
    launch(gpu, load(gpu, "structs"), "work", 1, 6, [out, value.tobytes(), np.array([1, 2, 3], np.int32)])
    want = [10**10 - 7 - 2 + 6.0 * 0.5 + (1, 20, 255)[t % 3] + 123 for t in range(6)]
    assert out.get(np.float64).tolist() == want


def rows_of(gpu: Driver, module: str, kernel: str, count: int, x: np.ndarray) -> np.ndarray:
    out = gpu.zeros(count * x.size, x.dtype)
    launch(gpu, load(gpu, module), kernel, -(-x.size // 128), 128, [out, gpu.upload(x), np.int32(x.size)])
    return out.get(x.dtype).reshape(count, x.size)


def reference(x: np.ndarray, p: np.ndarray) -> dict[str, np.ndarray]:
    """Functions by name, of x and of the positive p, in double."""
    with np.errstate(all="ignore"):
        return {
            "sin": np.sin(x), "cos": np.cos(x), "tan": np.tan(x), "exp": np.exp(x), "log": np.log(p),
            "log2": np.log2(p), "log10": np.log10(p), "log1p": np.log1p(p), "expm1": np.expm1(x),
            "pow": np.power(p, x), "powh": np.power(p, x / 2), "sqrt": np.sqrt(p), "cbrt": np.cbrt(x),
            "asin": np.arcsin(x / 20), "acos": np.arccos(x / 20), "atan": np.arctan(x),
            "atan2": np.arctan2(x, p),
            "sinh": np.sinh(x), "cosh": np.cosh(x), "tanh": np.tanh(x), "asinh": np.arcsinh(x),
            "acosh": np.arccosh(p + 1), "atanh": np.arctanh(x / 20), "erf": special.erf(x),
            "erfc": special.erfc(x),
            "tgamma": special.gamma(p), "tgammah": special.gamma(p / 2), "lgamma": special.gammaln(p),
            "hypot": np.hypot(x, p), "fmod": np.fmod(x, p / 3), "floor": np.floor(x), "ceil": np.ceil(x),
            "rint": np.rint(x), "trunc": np.trunc(x), "round": np.trunc(x + np.copysign(0.5, x)),
            "exp2": np.exp2(x), "exp10": np.power(10, x / 4), "rsqrt": 1 / np.sqrt(p), "j0": special.j0(p),
            "normcdf": special.ndtr(x / 4), "div": x / p,
        }  # fmt: skip


DOUBLE = [
    "sin",
    "cos",
    "tan",
    "exp",
    "log",
    "log2",
    "log10",
    "log1p",
    "expm1",
    "pow",
    "sqrt",
    "cbrt",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "tgamma",
    "lgamma",
    "hypot",
    "fmod",
    "floor",
    "ceil",
    "rint",
    "trunc",
    "round",
    "exp2",
    "exp10",
    "rsqrt",
    "j0",
    "normcdf",
]
SINGLE = [
    "sin",
    "cos",
    "tan",
    "exp",
    "log",
    "log2",
    "log10",
    "log1p",
    "expm1",
    "powh",
    "sqrt",
    "cbrt",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "erf",
    "erfc",
    "tgammah",
    "lgamma",
    "hypot",
    "fmod",
    "floor",
    "rint",
    "trunc",
    "round",
    "exp2",
    "exp10",
    "rsqrt",
    "div",
    "div",
]


def close(name: str, got: np.ndarray, want: np.ndarray, epsilon: float, floor: float) -> None:
    error = np.abs(got - want) / np.maximum(np.abs(want), floor)
    assert np.all(error <= epsilon), f"{name}: {np.max(error)} at index {int(np.argmax(error))}"


def test_double_functions(gpu: Driver) -> None:
    x = np.concatenate([random().uniform(-15, 15, 400), [0.0, 1.0, -1.0, 0.5, 1e-9, -1e-9]])
    got = rows_of(gpu, "math64", "functions", len(DOUBLE), x)
    want = reference(x, np.abs(x) + 0.01)
    for name, row in zip(DOUBLE, got, strict=True):
        floor = 1.0 if name in ("lgamma", "j0") else 1e-300
        close(name, row, want[name], 1e-12 if name in ("fmod", "tgamma") else 4e-14, floor)
    for name in ("floor", "ceil", "rint", "trunc", "sqrt"):
        np.testing.assert_array_equal(got[DOUBLE.index(name)], want[name], name)


def test_sine_of_large_angles(gpu: Driver) -> None:
    """Argument reduction by Payne and Hanek, with its table in constant memory."""
    x = np.array([1e5, 1e10, -3e15, 1e22, 1e100, -1e300, 2.0**1000])
    s, c = rows_of(gpu, "math64", "large_angles", 2, x)
    np.testing.assert_allclose(s, [math.sin(v) for v in x], rtol=1e-14)
    np.testing.assert_allclose(c, [math.cos(v) for v in x], rtol=1e-14)


def test_single_functions(gpu: Driver) -> None:
    x = np.concatenate([random().uniform(-8, 8, 400), [0.0, 1.0, -1.0, 0.5]]).astype(np.float32)
    got = rows_of(gpu, "math32", "functions", len(SINGLE), x).astype(float)
    p32 = np.abs(x) + np.float32(0.01)
    want = reference(x.astype(float), p32.astype(float))
    for name, row in zip(SINGLE, got, strict=True):
        floor = {"lgamma": 1.0, "fmod": 1.0}.get(name, 1e-30)
        close(name, row, want[name], 3e-6 if name in ("fmod", "erfc", "powh", "tgammah") else 1e-6, floor)


def test_fast_intrinsics(gpu: Driver) -> None:
    x = random().uniform(-8, 8, 400).astype(np.float32)
    got = rows_of(gpu, "math32", "intrinsics", 11, x).astype(float)
    x64 = x.astype(float)
    p = (np.abs(x) + np.float32(0.01)).astype(float)
    want = {
        "__sinf": np.sin(x64 / 8), "__cosf": np.cos(x64 / 8), "__expf": np.exp(x64), "__logf": np.log(p),
        "__log2f": np.log2(p), "__powf": np.power(p, x64 / 8), "__fdividef": x64 / p,
        "__frsqrt_rn": 1 / np.sqrt(p),
        "__saturatef": np.clip(x64, 0, 1), "__fsqrt_rn": np.sqrt(p), "__frcp_rn": 1 / p,
    }  # fmt: skip
    for (name, right), row in zip(want.items(), got, strict=True):
        close(name, row, right, 2e-6, 1.0 if "log" in name or name in ("__sinf", "__cosf") else 1e-30)


def test_half_arithmetic(gpu: Driver) -> None:
    module, n = load(gpu, "half"), 256
    a, b = (random(i).uniform(-8, 8, n).astype(np.float16) for i in (1, 2))
    out = gpu.zeros(8 * n, np.float16)
    launch(gpu, module, "halves", 2, 128, [out, gpu.upload(a), gpu.upload(b), np.int32(n)])
    got = out.get(np.float16).reshape(8, n)
    x, y = a.astype(float), b.astype(float)
    exact = [a + b, a * b, (x * y + x).astype(np.float16), None, np.sqrt(np.abs(a).astype(np.float32)),
             np.minimum(a, b), None, np.rint(a)]  # fmt: skip
    for row, want in zip(got, exact, strict=True):
        if want is not None:
            np.testing.assert_array_equal(row, want.astype(np.float16))
    np.testing.assert_allclose(got[3].astype(float), x / y, rtol=2e-3)
    np.testing.assert_allclose(got[6].astype(float), np.exp2(x), rtol=2e-3)
    pairs = gpu.zeros(n, np.float16)
    launch(gpu, module, "half_pairs", 1, n // 2, [pairs, gpu.upload(a), gpu.upload(b), np.int32(n // 2)])
    swapped = b.reshape(-1, 2)[:, ::-1].reshape(-1)
    want = (x * y + (a - swapped).astype(float)).astype(np.float16)
    np.testing.assert_array_equal(pairs.get(np.float16), want)


def to_bf16(x: np.ndarray) -> np.ndarray:
    """Float32 rounded to nearest even into the upper 16 bits."""
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def test_bfloat16(gpu: Driver) -> None:
    n = 256
    a, b = (to_bf16(random(i).uniform(-8, 8, n)) for i in (1, 2))
    out = gpu.zeros(3 * n, np.uint16)
    launch(gpu, load(gpu, "half"), "bfloats", 2, 128, [out, gpu.upload(a), gpu.upload(b), np.int32(n)])
    got = out.get(np.uint16).reshape(3, n)
    x, y = from_bf16(a), from_bf16(b)
    for row, want in zip(got, [x + y, x * y, x / np.float32(3)], strict=True):
        np.testing.assert_array_equal(row, to_bf16(want))


def test_printf(driver_library: Path) -> None:
    script = f"""
        module = driver.load(open({str(FOLDER / "printf.ptx")!r}).read())
        name = driver.upload(np.frombuffer(b"World\\0", np.uint8))
        driver.launch(module.function("hello"), 2, 64, [name, np.float32(2.5)])
        driver.launch(module.function("no_arguments"), 1, 1, [])
    """
    done = run_script(driver_library, script)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(lines[:-1]) == [f"hello World from block {b} thread {t}: 2.50 1099511627776 z%"
                                  for b in (0, 1) for t in (0, 1)]  # fmt: skip
    assert lines[-1] == "just text"


def test_device_heap(gpu: Driver) -> None:
    out = gpu.zeros(96, np.int32)
    launch(gpu, load(gpu, "heap"), "lists", 3, 32, [out, np.int32(20)])
    assert out.get(np.int32).tolist() == [190 * (t + 1) for t in range(32)] * 3


def test_cooperative_groups(gpu: Driver) -> None:
    module = load(gpu, "groups")
    data = random().integers(-1000, 1000, 128).astype(np.int32)
    out = gpu.zeros(4 * 128, np.int32)
    launch(gpu, module, "tiles", 1, 128, [out, gpu.upload(data)])
    sums, all_sums, most, prefix = out.get(np.int32).reshape(128, 4).T
    want = np.repeat(data.reshape(-1, 8).sum(1), 8)
    np.testing.assert_array_equal(sums, want)
    np.testing.assert_array_equal(all_sums, want)
    np.testing.assert_array_equal(most, np.repeat(data.reshape(-1, 32).max(1), 32))
    np.testing.assert_array_equal(prefix, data.reshape(-1, 8).cumsum(1).reshape(-1))
    kept, count = gpu.zeros(1000, np.int32), gpu.zeros(1, np.int32)
    data = random().integers(0, 10_000, 1000).astype(np.int32)
    launch(gpu, module, "filter", 8, 128, [kept, count, gpu.upload(data), np.int32(1000)])
    want = data[data % 3 == 0]
    assert count.get(np.int32)[0] == want.size
    np.testing.assert_array_equal(np.sort(kept.get(np.int32)[: want.size]), np.sort(want))


def test_cooperative_launch(gpu: Driver) -> None:
    """grid.sync(): each round every cell takes its neighbour's value of the round before."""
    blocks = min(gpu.attribute(16), 4)
    n, rounds = blocks * 64, 12
    start = np.zeros(2 * n, np.int32)
    start[:n] = np.arange(n) * 1000
    cells = gpu.upload(start)
    launch(
        gpu,
        load(gpu, "groups"),
        "rounds",
        blocks,
        64,
        [cells, np.int32(n), np.int32(rounds)],
        cooperative=True,
    )
    want = [(t + rounds) % n * 1000 + rounds for t in range(n)]
    assert cells.get(np.int32)[:n].tolist() == want


def test_synchronisations_that_count(gpu: Driver) -> None:
    n = 128
    data = random().integers(0, 80, n).astype(np.int32)
    out = gpu.zeros(8 * n, np.int32)
    launch(gpu, load(gpu, "syncs"), "counts", 2, 64, [out, gpu.upload(data), np.int32(n)])
    got = out.get(np.int32).reshape(8, n)
    blocks, warps = data.reshape(2, 64), data.reshape(4, 32)

    def spread(values: np.ndarray, size: int) -> list[int]:
        return list(np.repeat(values, size).tolist())

    assert got[0].tolist() == spread((blocks & 1).sum(1), 64)
    assert got[1].astype(bool).all()
    assert got[2].astype(bool).tolist() == spread((blocks == 77).any(1), 64)
    assert got[3].tolist() == spread((warps & 1).sum(1), 32)
    assert got[4].tolist() == spread((warps == 77).any(1) * 2 + 1, 32)
    match = [sum(1 << j for j in range(32) if row[j] % 4 == x % 4) for row in warps for x in row]
    assert got[5].view(np.uint32).tolist() == match
    assert got[6].tolist() == spread(warps.sum(1), 32)
    assert got[7].tolist() == [1] * n


@pytest.mark.parametrize(("name", "blocks", "threads"), [("critical", 4, 64), ("naive", 3, 40)])
def test_spin_locks(gpu: Driver, name: str, blocks: int, threads: int) -> None:
    cells = gpu.zeros(3, np.int32)
    more = [np.int32(3)] if name == "critical" else []
    launch(gpu, load(gpu, "lock"), name, blocks, threads, [cells, *more])
    got = cells.get(np.int32).tolist()
    assert got == [blocks * threads] * 3 if name == "critical" else got[0] == blocks * threads


def signed(x: int, bits: int) -> int:
    return x - (1 << bits) if x >> (bits - 1) else x


def quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def integer_rows(x: int, y: int) -> list[int]:
    """What kernels/bits.cu computes, in its order."""
    m32, m64 = (1 << 32) - 1, (1 << 64) - 1
    u, v = x & m32, y & m32
    su, sv, sx, sy = signed(u, 32), signed(v, 32), signed(x, 64), signed(y, 64)
    ub, vb = u.to_bytes(4, "little"), v.to_bytes(4, "little")
    pool = ub + vb
    wide = x * y + x
    pack = lambda values: int.from_bytes(bytes(values), "little")  # noqa: E731
    return [
        bin(x).count("1"), 64 - x.bit_length(), (x & -x).bit_length(), int(f"{x:064b}"[::-1], 2), x * y >> 64,
        int(f"{u:032b}"[::-1], 2), 32 - u.bit_length(), pack(pool[i] for i in (0, 4, 1, 5)),
        ((v << 32 | u) << 13 >> 32) & m32, (sum(a * b for a, b in zip(ub, vb, strict=True)) + 7) & m32,
        u * v >> 32,
        (abs(u - v) + 3) & m32, pack(min(a + b, 255) for a, b in zip(ub, vb, strict=True)),
        pack(abs(a - b) for a, b in zip(ub, vb, strict=True)), (su + sv) >> 1 & m64,
        x // y, x % y, quotient(sx, sy) & m64,
        (sx - quotient(sx, sy) * sy) & m64, u // v, (su - quotient(su, sv) * sv) & m64,
        wide >> 64 & m64, wide & m64, wide >> 37 & m64, wide // 1000003 & m64,
    ]  # fmt: skip


def test_integer_intrinsics(gpu: Driver) -> None:
    n, rows = 128, 25
    a, b = (random(i).integers(0, 2**64, n, dtype=np.uint64) for i in (1, 2))
    a[:3], b[3:9] = [0, 1, 2**64 - 1], [1, 3, 2**63, 2**64 - 1, 7, 2**32]
    module = load(gpu, "bits")
    out = gpu.zeros(rows * n, np.uint64)
    launch(gpu, module, "integers", 2, 64, [out, gpu.upload(a), gpu.upload(b), np.int32(n)])
    got = out.get(np.uint64).reshape(rows, n).T.tolist()
    for x, y, row in zip(a.tolist(), b.tolist(), got, strict=True):
        want = integer_rows(x, y | 1)
        assert row == want, (x, y | 1, [i for i in range(rows) if row[i] != want[i]])


def test_switch(gpu: Driver) -> None:
    module = load(gpu, "bits")
    data = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 100, -1, 1000] * 8, np.int32)
    out = gpu.zeros(96, np.int32)
    launch(gpu, module, "cases", 1, 96, [out, gpu.upload(data)])
    want = {0: 17, 2: 200, 3: 300, 4: 1, 5: 5 ^ 1234, 6: 64, 7: 2, 100: 1}
    assert out.get(np.int32).tolist() == [
        1 + t if x == 1 else want.get(x, -1) for t, x in enumerate(data.tolist())
    ]


def test_asynchronous_copies(gpu: Driver) -> None:
    tiles = 6
    data = random().integers(0, 100, tiles * 256).astype(np.float32)
    out = gpu.zeros(64, np.float32)
    launch(gpu, load(gpu, "pipeline"), "staged", 1, 64, [out, gpu.upload(data), np.int32(tiles)])
    shifted = np.roll(data.reshape(tiles, 256), -5, axis=1).reshape(tiles, 64, 4)
    np.testing.assert_array_equal(out.get(np.float32), shifted.sum((0, 2)))


def test_constants_and_globals(gpu: Driver) -> None:
    module = load(gpu, "globals")
    xs = random().integers(-4, 4, 32).astype(np.float64)
    values, out = gpu.zeros(32, np.float64), gpu.zeros(34, np.int32)
    for launched in (1, 2):
        launch(gpu, module, "globals", 1, 32, [values, out, gpu.upload(xs)])
        got = out.get(np.int32).tolist()
        np.testing.assert_array_equal(values.get(np.float64), 1 - 0.5 * xs + 0.25 * xs**2 + 2 * xs**3)
        assert sorted(got[:32]) == list(range(100 + 32 * (launched - 1), 100 + 32 * launched))
        assert got[32] == 5 + 64 * launched
        assert got[33] == sum(b"zot"[t % 3] for t in range(32))


def test_modules_are_reusable_across_many_launches(gpu: Driver) -> None:
    """A thousand small launches of one kernel: nothing leaks from one into the next."""
    module = load(gpu, "scan")
    function = module.function("scan_warp")
    buffer: Buffer = gpu.upload(np.ones(32, np.int32))
    for _ in range(1000):
        gpu.launch(function, 1, 32, [buffer], wait=False)
    gpu.synchronize()
    want = np.ones(32, np.uint32)
    for _ in range(1000):
        want = np.cumsum(want, dtype=np.uint32)
    np.testing.assert_array_equal(buffer.get(np.uint32), want)
