# SPDX-License-Identifier: BSD-3-Clause
"""Matrix instructions: wmma as nvcc makes it, mma.sync with the layouts of the PTX manual, ldmatrix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .harness import SM_90, Driver, kernel, sm_90_or_skip

PTX = (Path(__file__).parent / "kernels" / "matrices.ptx").read_text()
Matrix = np.ndarray[Any, Any]


def bfloat_bits(values: Matrix) -> Matrix:
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def small(shape: tuple[int, int], seed: int, low: int = -8, high: int = 8) -> Matrix:
    """Whole numbers that every format holds, and whose products no order of summing rounds."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.float64)


@pytest.mark.parametrize(("name", "m", "n", "k", "given", "result", "columns"), [
    ("half_float", 16, 16, 16, np.float16, np.float32, "b"),
    ("half_half", 32, 8, 16, np.float16, np.float16, "a"),
    ("bfloat", 8, 32, 16, None, np.float32, ""), ("tf32", 16, 16, 8, np.float32, np.float32, ""),
    ("bytes", 16, 16, 16, np.int8, np.int32, ""), ("doubles", 8, 8, 4, np.float64, np.float64, "b"),
])  # fmt: skip
def test_wmma(gpu: Driver, name: str, m: int, n: int, k: int, given: Any, result: Any, columns: str) -> None:
    """c = 2c + ab, where the doubling is element by element on the fragment; `columns` are stored so."""
    a, b, c = small((m, k), 1), small((k, n), 2), small((m, n), 3)

    def stored(matrix: Matrix, which: str) -> Matrix:
        matrix = np.ascontiguousarray(matrix.T if which in columns else matrix)
        return bfloat_bits(matrix) if given is None else matrix.astype(given)

    out = gpu.upload(c.astype(result))
    module = gpu.load(PTX)
    gpu.launch(module.function(name), 1, 32, [out, gpu.upload(stored(a, "a")), gpu.upload(stored(b, "b"))])
    np.testing.assert_array_equal(out.get(result).reshape(m, n), 2 * c + a @ b)


def test_wmma_through_shared_memory(gpu: Driver) -> None:
    n = 64
    a, b = (np.random.default_rng(i).uniform(-1, 1, (n, n)).astype(np.float16) for i in (1, 2))
    out = gpu.zeros(n * n, np.float32)
    module = gpu.load(PTX)
    gpu.launch(module.function("tiled"), (4, 4), 32, [out, gpu.upload(a), gpu.upload(b), np.int32(n)])
    np.testing.assert_allclose(
        out.get(np.float32).reshape(n, n), a.astype(np.float32) @ b.astype(np.float32), atol=1e-4
    )


# Where element i of a lane stands, by shape: (row, column) from the lane's group g, its place t in it, and i.
Place = Callable[[int, int, int], tuple[int, int]]
PAIRS_C: Place = lambda g, t, i: (g + 8 * (i >= 2), 2 * t + (i & 1))  # noqa: E731
LAYOUTS: dict[str, tuple[Place, Place, Place]] = {
    "m16n8k8 16": (lambda g, t, i: (g + 8 * (i >= 2), 2 * t + (i & 1)),
                   lambda g, t, i: (2 * t + i, g), PAIRS_C),
    "m16n8k16 16": (lambda g, t, i: (g + 8 * (i in (2, 3, 6, 7)), 2 * t + (i & 1) + 8 * (i >= 4)),
                    lambda g, t, i: (2 * t + (i & 1) + 8 * (i >= 2), g), PAIRS_C),
    "m16n8k4 32": (lambda g, t, i: (g + 8 * i, t), lambda g, t, i: (t, g), PAIRS_C),
    "m16n8k8 32": (lambda g, t, i: (g + 8 * (i in (1, 3)), t + 4 * (i >= 2)),
                   lambda g, t, i: (t + 4 * i, g), PAIRS_C),
    "m8n8k4 64": (lambda g, t, i: (g, t), lambda g, t, i: (t, g), lambda g, t, i: (g, 2 * t + i)),
    "m8n8k16 8": (lambda g, t, i: (g, 4 * t + i), lambda g, t, i: (4 * t + i, g),
                  lambda g, t, i: (g, 2 * t + i)),
    "m16n8k16 8": (lambda g, t, i: (g + 8 * (i >= 4), 4 * t + (i & 3)),
                   lambda g, t, i: (4 * t + i, g), PAIRS_C),
    "m16n8k32 8": (lambda g, t, i: (g + 8 * (i // 4 in (1, 3)), 4 * t + (i & 3) + 16 * (i >= 8)),
                   lambda g, t, i: (4 * t + (i & 3) + 16 * (i >= 4), g), PAIRS_C),
}  # fmt: skip
NUMPY = {"f16": np.float16, "f32": np.float32, "tf32": np.float32, "f64": np.float64, "s8": np.int8,
         "u8": np.uint8, "s32": np.int32}  # fmt: skip


def bits(matrix: Matrix, kind: str) -> Matrix:
    return bfloat_bits(matrix) if kind == "bf16" else matrix.astype(NUMPY[kind])


def spread(matrix: Matrix, place: Place, kind: str) -> Matrix:
    """A matrix as the registers of a warp: one row a lane."""
    slots = matrix.size // 32
    at = [[place(lane // 4, lane % 4, i) for i in range(slots)] for lane in range(32)]
    return bits(np.array([[matrix[p] for p in lane] for lane in at]), kind)


def gathered(lanes: Matrix, place: Place, shape: tuple[int, int]) -> Matrix:
    out = np.full(shape, np.nan)
    for lane in range(32):
        for i, value in enumerate(lanes[lane]):
            out[place(lane // 4, lane % 4, i)] = value
    return out


@pytest.mark.parametrize(("shape", "kinds"), [
    ("m16n8k8", "f32.f16.f16.f32"), ("m16n8k8", "f16.f16.f16.f16"), ("m16n8k8", "f32.bf16.bf16.f32"),
    ("m16n8k16", "f32.f16.f16.f32"), ("m16n8k16", "f16.f16.f16.f16"), ("m16n8k16", "f32.bf16.bf16.f32"),
    ("m16n8k4", "f32.tf32.tf32.f32"), ("m16n8k8", "f32.tf32.tf32.f32"), ("m8n8k4", "f64.f64.f64.f64"),
    ("m8n8k16", "s32.s8.s8.s32"), ("m16n8k16", "s32.s8.u8.s32"), ("m16n8k32", "s32.u8.s8.s32"),
])  # fmt: skip
def test_mma(gpu: Driver, shape: str, kinds: str) -> None:
    m, n, k = (int(part) for part in shape[1:].replace("n", " ").replace("k", " ").split())
    d_kind, a_kind, b_kind, c_kind = kinds.split(".")
    width = 32 if a_kind == "tf32" else np.dtype(NUMPY.get(a_kind, np.float16)).itemsize * 8
    places = LAYOUTS[f"{shape} {width}"]
    a = small((m, k), 1, 0 if a_kind == "u8" else -8)
    b = small((k, n), 2, 0 if b_kind == "u8" else -8)
    c = small((m, n), 3)
    fragments = [spread(matrix, place, kind) for matrix, place, kind in
                 zip((a, b, c), places, (a_kind, b_kind, c_kind), strict=True)]  # fmt: skip
    size = 64 if a_kind == "f64" else 32
    counts = [fragment[0].nbytes * 8 // size for fragment in fragments]
    letter, lane_bytes = ("l", 8) if size == 64 else ("r", 4)
    loads, names = [], []
    for which, count in enumerate(counts):
        registers = [f"%{letter}{10 + 4 * which + i}" for i in range(count)]
        names.append("{" + ", ".join(registers) + "}")
        loads.append(f"ld.param.u64 %l0, [p{which}]; mad.wide.u32 %l0, %r0, {count * lane_bytes}, %l0;")
        loads += [f"ld.global.b{size} {r}, [%l0+{lane_bytes * i}];" for i, r in enumerate(registers)]
    results = [f"%{letter}{24 + i}" for i in range(counts[2])]
    body = "\n".join([
        "mov.u32 %r0, %tid.x;", *loads,
        f"mma.sync.aligned.{shape}.row.col.{kinds} {{{', '.join(results)}}}, {', '.join(names)};",
        f"ld.param.u64 %l0, [out]; mad.wide.u32 %l0, %r0, {counts[2] * lane_bytes}, %l0;",
        *[f"st.global.b{size} [%l0+{lane_bytes * i}], {r};" for i, r in enumerate(results)],
    ])  # fmt: skip
    ptx = kernel(body, ".param .u64 out, .param .u64 p0, .param .u64 p1, .param .u64 p2")
    out = gpu.zeros(m * n, NUMPY[d_kind])
    gpu.run(ptx, 1, 32, [out, *[gpu.upload(fragment) for fragment in fragments]])
    got = gathered(out.get(NUMPY[d_kind]).reshape(32, -1), places[2], (m, n))
    np.testing.assert_array_equal(got, a @ b + c)


@pytest.mark.parametrize(("modifier", "want"), [("", -(2**31)), (".satfinite", 2**31 - 1)])
def test_sums_of_integers_wrap_or_saturate(gpu: Driver, modifier: str, want: int) -> None:
    ptx = kernel(f"""
        mov.u32 %r0, %tid.x;
        mov.u32 %r1, 0x01010101;
        mov.u32 %r2, {2**31 - 16};
        mma.sync.aligned.m8n8k16.row.col{modifier}.s32.s8.s8.s32 {{%r3, %r4}}, {{%r1}}, {{%r1}}, {{%r2, %r2}};
        ld.param.u64 %l0, [out];
        mad.wide.u32 %l0, %r0, 4, %l0;
        st.global.u32 [%l0], %r4;
        """)  # fmt: skip
    out = gpu.zeros(32, np.int32)
    gpu.run(ptx, 1, 32, [out])
    assert set(out.get(np.int32)) == {want}


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_ldmatrix(gpu: Driver, count: int, transposed: bool) -> None:
    """Eight lanes name the rows of each matrix; a lane gets two neighbours of a row (or of a column)."""
    matrices = np.arange(4 * 64, dtype=np.uint16).reshape(4, 8, 8)
    registers = [f"%r{10 + i}" for i in range(count)]
    form = f"x{count}{'.trans' if transposed else ''}"
    ptx = kernel(f"""
        mov.u32 %r0, %tid.x;
        ld.param.u64 %l0, [in];
        mad.wide.u32 %l1, %r0, 16, %l0;
        ld.global.v4.u32 {{%r1, %r2, %r3, %r4}}, [%l1];
        mov.u32 %r5, buffer;
        mad.lo.u32 %r6, %r0, 16, %r5;
        st.shared.v4.u32 [%r6], {{%r1, %r2, %r3, %r4}};
        bar.sync 0;
        ldmatrix.sync.aligned.m8n8.{form}.shared.b16 {{{", ".join(registers)}}}, [%r6];
        ld.param.u64 %l0, [out];
        mad.wide.u32 %l1, %r0, {4 * count}, %l0;
        {" ".join(f"st.global.u32 [%l1+{4 * i}], {r};" for i, r in enumerate(registers))}
        """, ".param .u64 out, .param .u64 in", scope=".shared .align 16 .b8 buffer[512];")  # fmt: skip
    out = gpu.zeros(32 * 2 * count, np.uint16)
    gpu.run(ptx, 1, 32, [out, gpu.upload(matrices)])
    got = out.get(np.uint16).reshape(32, count, 2)
    want = matrices.transpose(0, 2, 1) if transposed else matrices
    for lane in range(32):
        for k in range(count):
            assert got[lane, k].tolist() == want[k, lane // 4, lane % 4 * 2 : lane % 4 * 2 + 2].tolist()


def test_movmatrix(gpu: Driver) -> None:
    ptx = kernel("""
        mov.u32 %r0, %tid.x;
        ld.param.u64 %l0, [out];
        mad.wide.u32 %l0, %r0, 4, %l0;
        ld.global.u32 %r1, [%l0];
        movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r1;
        st.global.u32 [%l0], %r2;
        """)
    matrix = np.arange(64, dtype=np.uint16).reshape(8, 8)
    out = gpu.upload(matrix)
    gpu.run(ptx, 1, 32, [out])
    np.testing.assert_array_equal(out.get(np.uint16).reshape(8, 8), matrix.T)


def test_stmatrix(gpu: Driver) -> None:
    """The way back, of compute capability 9.0."""
    ptx = kernel("""
        mov.u32 %r0, %tid.x;
        mov.u32 %r5, buffer;
        and.b32 %r6, %r0, 7;
        mad.lo.u32 %r6, %r6, 16, %r5;
        shl.b32 %r1, %r0, 17;
        mad.lo.u32 %r1, %r0, 2, %r1;
        add.u32 %r1, %r1, 0x10000;
        stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r6], {%r1};
        bar.sync 0;
        mad.lo.u32 %r7, %r0, 4, %r5;
        ld.shared.u32 %r8, [%r7];
        ld.param.u64 %l0, [out];
        mad.wide.u32 %l0, %r0, 4, %l0;
        st.global.u32 [%l0], %r8;
        """, scope=".shared .align 16 .b8 buffer[128];",
        header=SM_90)  # fmt: skip
    out = gpu.zeros(64, np.uint16)
    with sm_90_or_skip():
        gpu.run(ptx, 1, 32, [out])
        assert out.get(np.uint16).tolist() == list(range(64))
