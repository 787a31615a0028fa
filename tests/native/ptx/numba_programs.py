# SPDX-License-Identifier: BSD-3-Clause
"""Programs as a course writes them with numba.cuda; each function raises if its result is wrong.

Run as a script by test_numba.py, with the driver library under test in front of LD_LIBRARY_PATH:
it prints one JSON line for each program, {"name": …, "error": null or the traceback}.
"""

from __future__ import annotations

import json
import math
import sys
import traceback

import numpy as np
import pytest
from numba import complex128, cuda, float32, float64
from numba.core.errors import NumbaPerformanceWarning
from numba.cuda.random import (
    create_xoroshiro128p_states,
    xoroshiro128p_normal_float64,
    xoroshiro128p_uniform_float32,
)

TILE = 16


def program_vector_add() -> None:
    @cuda.jit
    def add(out, a, b):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = a[i] + b[i]

    a, b = np.arange(10_000, dtype=np.float32), np.ones(10_000, np.float32)
    out = np.zeros_like(a)
    add[40, 256](out, a, b)
    np.testing.assert_array_equal(out, a + b)


def program_device_arrays_and_streams() -> None:
    @cuda.jit
    def scale(x, factor):
        for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
            x[i] *= factor

    stream = cuda.stream()
    host = np.arange(5000, dtype=np.float64)
    device = cuda.to_device(host, stream)
    for factor in (2.0, 3.0):
        scale[4, 64, stream](device, factor)
    result = device.copy_to_host(stream=stream)
    stream.synchronize()
    np.testing.assert_array_equal(result, host * 6)
    view = device[1000:2000:2]
    np.testing.assert_array_equal(view.copy_to_host(), host[1000:2000:2] * 6)


def program_shared_memory_matmul() -> None:
    @cuda.jit
    def matmul(c, a, b):
        sa = cuda.shared.array((TILE, TILE), float32)
        sb = cuda.shared.array((TILE, TILE), float32)
        x, y = cuda.grid(2)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        total = float32(0)
        for t in range((a.shape[1] + TILE - 1) // TILE):
            sa[ty, tx] = 0
            sb[ty, tx] = 0
            if y < a.shape[0] and tx + t * TILE < a.shape[1]:
                sa[ty, tx] = a[y, tx + t * TILE]
            if x < b.shape[1] and ty + t * TILE < b.shape[0]:
                sb[ty, tx] = b[ty + t * TILE, x]
            cuda.syncthreads()
            for k in range(TILE):
                total += sa[ty, k] * sb[k, tx]
            cuda.syncthreads()
        if y < c.shape[0] and x < c.shape[1]:
            c[y, x] = total

    rng = np.random.default_rng(1)
    a, b = rng.random((60, 45), np.float32), rng.random((45, 70), np.float32)
    c = np.zeros((60, 70), np.float32)
    matmul[(5, 4), (TILE, TILE)](c, a, b)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4)


def program_reduction_decorator() -> None:
    total = cuda.reduce(lambda a, b: a + b)
    data = np.arange(5000, dtype=np.float64)
    assert total(data) == data.sum()


def program_dynamic_shared_reduction() -> None:
    @cuda.jit
    def block_sum(out, x):
        cells = cuda.shared.array(0, float64)
        t = cuda.threadIdx.x
        i = cuda.grid(1)
        cells[t] = x[i] if i < x.size else 0.0
        cuda.syncthreads()
        step = cuda.blockDim.x // 2
        while step > 0:
            if t < step:
                cells[t] += cells[t + step]
            cuda.syncthreads()
            step //= 2
        if t == 0:
            cuda.atomic.add(out, 0, cells[0])

    x = np.arange(3000, dtype=np.float64)
    out = np.zeros(1)
    block_sum[12, 256, 0, 256 * 8](out, x)
    assert out[0] == x.sum()


def program_atomics() -> None:
    @cuda.jit
    def count(bins, extremes, floats, data):
        i = cuda.grid(1)
        if i < data.size:
            cuda.atomic.add(bins, data[i] % 16, 1)
            cuda.atomic.max(extremes, 0, data[i])
            cuda.atomic.min(extremes, 1, data[i])
            cuda.atomic.add(floats, 0, 0.5)
            cuda.atomic.cas(extremes, 2, 0, 7)
            cuda.atomic.or_(extremes, 3, 1 << (data[i] % 8))

    data = np.random.default_rng(2).integers(0, 1000, 4000).astype(np.int32)
    bins, extremes, floats = np.zeros(16, np.int32), np.array([-1, 10**6, 0, 0], np.int32), np.zeros(1)
    count[32, 128](bins, extremes, floats, data)
    np.testing.assert_array_equal(bins, np.bincount(data % 16, minlength=16))
    assert extremes.tolist() == [data.max(), data.min(), 7, 255]
    assert floats[0] == 2000


def program_two_dimensional_grid() -> None:
    @cuda.jit
    def escape(out, limit):
        x, y = cuda.grid(2)
        if x < out.shape[1] and y < out.shape[0]:
            c = complex(-2.0 + 3.0 * x / out.shape[1], -1.5 + 3.0 * y / out.shape[0])
            z = 0j
            n = 0
            while n < limit and z.real * z.real + z.imag * z.imag <= 4.0:
                z = z * z + c
                n += 1
            out[y, x] = n

    out = np.zeros((48, 64), np.int32)
    escape[(8, 6), (8, 8)](out, 40)
    assert out[24, 42] == 40  # near the origin
    assert out[0, 0] <= 2
    assert 0.1 < (out == 40).mean() < 0.4


def program_math_functions() -> None:
    @cuda.jit
    def functions(out, x):
        i = cuda.grid(1)
        if i < x.size:
            v = x[i]
            out[0, i] = math.sin(v)
            out[1, i] = math.exp(v)
            out[2, i] = math.log(v + 10)
            out[3, i] = math.pow(v + 10, 1.7)
            out[4, i] = math.sqrt(v + 10)
            out[5, i] = math.atan2(v, 2.0)
            out[6, i] = math.erf(v)
            out[7, i] = math.gamma(v + 6)
            out[8, i] = math.floor(v) + math.fmod(v, 1.5)
            out[9, i] = math.tanh(v) * math.hypot(v, 3.0)
            out[10, i] = v**3 + abs(v) // 2 + v % 3

    x = np.linspace(-5, 5, 201)
    out = np.zeros((11, x.size))
    functions[2, 128](out, x)
    gamma = np.array([math.gamma(v + 6) for v in x])
    erf = np.array([math.erf(v) for v in x])
    want = [np.sin(x), np.exp(x), np.log(x + 10), (x + 10) ** 1.7, np.sqrt(x + 10), np.arctan2(x, 2.0), erf,
            gamma, np.floor(x) + np.fmod(x, 1.5), np.tanh(x) * np.hypot(x, 3),
            x**3 + np.abs(x) // 2 + x % 3]  # fmt: skip
    for row, right in zip(out, want, strict=True):
        np.testing.assert_allclose(row, right, rtol=1e-12, atol=1e-12)


def program_single_precision_fastmath() -> None:
    @cuda.jit(fastmath=True)
    def functions(out, x):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = math.sin(x[i]) / math.sqrt(x[i] + float32(9)) + math.exp(x[i]) * math.log(
                x[i] + float32(9)
            )

    x = np.linspace(-3, 3, 128).astype(np.float32)
    out = np.zeros_like(x)
    functions[1, 128](out, x)
    y = x.astype(float)
    np.testing.assert_allclose(
        out, np.sin(y) / np.sqrt(y + 9) + np.exp(y) * np.log(y + 9), rtol=1e-4, atol=1e-4
    )


def program_local_arrays() -> None:
    @cuda.jit
    def median(out, x):
        i = cuda.grid(1)
        window = cuda.local.array(5, float64)
        if 2 <= i < x.size - 2:
            for k in range(5):
                window[k] = x[i - 2 + k]
            for a in range(5):
                for b in range(4 - a):
                    if window[b] > window[b + 1]:
                        window[b], window[b + 1] = window[b + 1], window[b]
            out[i] = window[2]

    x = np.random.default_rng(3).random(300)
    out = np.zeros_like(x)
    median[3, 128](out, x)
    want = [np.median(x[i - 2 : i + 3]) for i in range(2, 298)]
    np.testing.assert_array_equal(out[2:298], want)


def program_device_functions() -> None:
    @cuda.jit(device=True)
    def polar(x, y):
        return math.hypot(x, y), math.atan2(y, x)

    @cuda.jit("int32(int32)", device=True, inline="never")
    def collatz(n):
        steps = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return steps

    @cuda.jit
    def run(r, phi, steps):
        i = cuda.grid(1)
        r[i], phi[i] = polar(i + 1.0, i - 3.0)
        steps[i] = collatz(i + 1)

    r, phi, steps = np.zeros(64), np.zeros(64), np.zeros(64, np.int32)
    run[2, 32](r, phi, steps)
    i = np.arange(64)
    np.testing.assert_allclose(r, np.hypot(i + 1, i - 3), rtol=1e-14)
    np.testing.assert_allclose(phi, np.arctan2(i - 3, i + 1), rtol=1e-14)
    assert steps[26] == 111


def program_recursion() -> None:
    @cuda.jit("int64(int64)", device=True)
    def fibonacci(n):
        if n < 2:
            return n
        return fibonacci(n - 1) + fibonacci(n - 2)

    @cuda.jit
    def run(out):
        out[cuda.threadIdx.x] = fibonacci(cuda.threadIdx.x % 12)

    out = np.zeros(32, np.int64)
    run[1, 32](out)
    assert out[:12].tolist() == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]


def program_printing() -> None:
    @cuda.jit
    def hello(x):
        i = cuda.threadIdx.x
        print("thread", i, "has", x[i], True)

    hello[1, 3](np.array([0.5, 1.5, 2.5]))
    cuda.synchronize()


def program_float16() -> None:
    @cuda.jit
    def run(out, x):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = x[i] * x[i] + x[i]

    x = np.linspace(-4, 4, 64).astype(np.float16)
    out = np.zeros_like(x)
    run[1, 64](out, x)
    np.testing.assert_allclose(out.astype(float), (x.astype(float)) ** 2 + x, rtol=4e-3, atol=4e-3)


def program_complex_numbers() -> None:
    @cuda.jit
    def run(out, z):
        i = cuda.grid(1)
        if i < z.size:
            out[i] = z[i] * complex128(2 - 1j) + z[i].conjugate() / (z[i] + 3)

    z = np.exp(1j * np.arange(40))
    out = np.zeros_like(z)
    run[1, 64](out, z)
    np.testing.assert_allclose(out, z * (2 - 1j) + z.conj() / (z + 3), rtol=1e-13)


def program_records() -> None:
    particle = np.dtype([("position", np.float64, 3), ("mass", np.float32), ("id", np.int16)], align=True)

    @cuda.jit
    def move(particles, dt):
        i = cuda.grid(1)
        if i < particles.size:
            for k in range(3):
                particles[i]["position"][k] += dt * (k + 1)
            particles[i].mass *= 2
            particles[i].id += 100

    particles = np.zeros(50, particle)
    particles["id"] = np.arange(50)
    particles["mass"] = 1.5
    move[1, 64](particles, 0.25)
    np.testing.assert_array_equal(particles["position"], np.tile([0.25, 0.5, 0.75], (50, 1)))
    np.testing.assert_array_equal(particles["id"], np.arange(50) + 100)
    assert np.all(particles["mass"] == 3)


def program_random_numbers() -> None:
    @cuda.jit
    def draw(states, uniform, normal):
        i = cuda.grid(1)
        for k in range(uniform.shape[1]):
            uniform[i, k] = xoroshiro128p_uniform_float32(states, i)
            normal[i, k] = xoroshiro128p_normal_float64(states, i)

    states = create_xoroshiro128p_states(128, seed=7)
    uniform, normal = np.zeros((128, 50), np.float32), np.zeros((128, 50))
    draw[2, 64](states, uniform, normal)
    assert abs(uniform.mean() - 0.5) < 0.02
    assert 0 <= float(uniform.min()) <= float(uniform.max()) <= 1
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    assert len(np.unique(uniform)) > 6000


def program_warp_intrinsics() -> None:
    @cuda.jit
    def run(out, x):
        i = cuda.grid(1)
        total = x[i]
        step = 16
        while step > 0:
            total += cuda.shfl_xor_sync(0xFFFFFFFF, total, step)
            step //= 2
        out[0, i] = total
        out[1, i] = cuda.ballot_sync(0xFFFFFFFF, x[i] > 50)
        out[2, i] = cuda.popc(cuda.match_any_sync(0xFFFFFFFF, x[i] % 4))
        out[3, i] = cuda.laneid + cuda.ffs(x[i] | 64) + cuda.clz(x[i])
        out[4, i] = cuda.syncthreads_count(1 if x[i] > 50 else 0)

    x = np.random.default_rng(4).integers(0, 100, 64).astype(np.int32)
    out = np.zeros((5, 64), np.int64)
    run[1, 64](out, x)
    warps = x.reshape(2, 32)
    np.testing.assert_array_equal(out[0], np.repeat(warps.sum(1), 32))
    ballots = [sum(1 << i for i in range(32) if row[i] > 50) for row in warps]
    np.testing.assert_array_equal(out[1] & 0xFFFFFFFF, np.repeat(ballots, 32))
    np.testing.assert_array_equal(out[2], [int((row % 4 == v % 4).sum()) for row in warps for v in row])
    np.testing.assert_array_equal(out[4], np.full(64, (x > 50).sum()))


def program_constant_memory() -> None:
    table = np.array([3.0, 1.0, 4.0, 1.0, 5.0])

    @cuda.jit
    def run(out):
        values = cuda.const.array_like(table)
        i = cuda.grid(1)
        out[i] = values[i % 5] * i

    out = np.zeros(32)
    run[1, 32](out)
    np.testing.assert_array_equal(out, table[np.arange(32) % 5] * np.arange(32))


def program_cooperative_grid() -> None:
    @cuda.jit(void_signature)
    def rounds(cells):
        grid = cuda.cg.this_grid()
        i = cuda.grid(1)
        for r in range(1, cells.shape[0]):
            cells[r, i] = cells[r - 1, (i + 1) % cells.shape[1]] + 1
            grid.sync()

    cells = np.zeros((8, 128), np.int32)
    cells[0] = np.arange(128)
    rounds[2, 64](cells)
    np.testing.assert_array_equal(cells[7], (np.arange(128) + 7) % 128 + 7)


def program_vectorize() -> None:
    from numba.cuda import vectorize

    @vectorize(["float64(float64, float64)"], target="cuda")
    def combine(a, b):
        return a * b + 1

    a, b = np.arange(1000.0), np.arange(1000.0) / 3
    np.testing.assert_allclose(combine(a, b), a * b + 1, rtol=1e-15)


def program_events_and_memory_info() -> None:
    @cuda.jit
    def spin(out):
        for i in range(1000):
            out[0] += i

    start, end = cuda.event(), cuda.event()
    out = cuda.to_device(np.zeros(1, np.int64))
    start.record()
    spin[1, 1](out)
    end.record()
    end.synchronize()
    assert cuda.event_elapsed_time(start, end) >= 0
    free, total = cuda.current_context().get_memory_info()
    assert 0 < free <= total


def program_debug_bounds_check() -> None:
    @cuda.jit(debug=True, opt=False)
    def broken(x):
        if cuda.threadIdx.x == 3:
            raise ValueError("device error")  # noqa: EM101 (numba wants a literal)
        x[cuda.threadIdx.x] = 1

    with pytest.raises(ValueError, match="device error"):
        broken[1, 8](np.zeros(8))


def program_integer_types() -> None:
    @cuda.jit
    def run(out, a, b):
        i = cuda.grid(1)
        if i < a.size:
            out[i] = (a[i] // b[i]) * 1000 + a[i] % b[i] + ((a[i] << 3) ^ (b[i] >> 1))

    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64):
        a = np.arange(1, 101).astype(dtype)
        b = (np.arange(100) % 7 + 1).astype(dtype)
        out = np.zeros(100, np.int64)
        run[1, 128](out, a, b)
        x, y = a.astype(np.int64), b.astype(np.int64)
        np.testing.assert_array_equal(out, x // y * 1000 + x % y + ((x << 3) ^ (y >> 1)), str(dtype))


void_signature = "void(int32[:, ::1])"


def main() -> None:
    import warnings

    warnings.simplefilter("ignore", NumbaPerformanceWarning)
    for name, program in list(globals().items()):
        if name.startswith("program_") and (len(sys.argv) < 2 or name in sys.argv[1:]):
            try:
                program()
                error = None
            except BaseException:  # noqa: BLE001 (the test reports whatever it was)
                error = traceback.format_exc()
            print(json.dumps({"name": name, "error": error}), flush=True)


if __name__ == "__main__":
    main()
