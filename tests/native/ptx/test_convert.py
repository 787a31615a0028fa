# SPDX-License-Identifier: BSD-3-Clause
"""cvt between all types, with its rounding, saturating and flushing forms."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from . import floats
from .floats import BF16, F16, F32, F64, TF32, Format
from .harness import DTYPES, SM_90, Driver, sm_90_or_skip
from .test_integer import bits_of, clamp, column, values, wrap

INTEGERS = ["u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"]
FLOATS = [F16, F32, F64]


@pytest.mark.parametrize("source", INTEGERS)
@pytest.mark.parametrize("target", INTEGERS)
def test_integer_to_integer(gpu: Driver, target: str, source: str) -> None:
    numbers = values(source, 200)
    got = gpu.elementwise(f"cvt.{target}.{source} %r, %a;", [column(source, numbers)], target).tolist()
    assert got == [wrap(x, target) for x in numbers]


def can_overflow(source: str, target: str) -> bool:
    return any(clamp(clamp(limit, source), target) != clamp(limit, source) for limit in (1 << 70, -1 << 70))


@pytest.mark.parametrize(
    ("source", "target"), [(s, t) for s in INTEGERS for t in INTEGERS if can_overflow(s, t)]
)
def test_integer_saturation(gpu: Driver, target: str, source: str) -> None:
    numbers = values(source, 200)
    got = gpu.elementwise(f"cvt.sat.{target}.{source} %r, %a;", [column(source, numbers)], target).tolist()
    assert got == [clamp(x, target) for x in numbers]


def test_narrow_results_extend_into_wider_registers(gpu: Driver) -> None:
    """cvt to 8 bits fills a wider register by the destination's sign."""
    numbers = values("s32", 200)
    for target in ("u8", "s8", "u16", "s16"):
        wide = f"{target[0]}32"
        got = gpu.elementwise(f"cvt.{target}.s32 %r, %a;", [column("s32", numbers)], wide).tolist()
        assert got == [wrap(x, target) for x in numbers]


@pytest.mark.parametrize("fmt", FLOATS, ids=lambda f: f.name)
@pytest.mark.parametrize("source", INTEGERS)
def test_integer_to_float(gpu: Driver, source: str, fmt: Format) -> None:
    numbers = values(source, 200)
    for mode in ("rn", "rz", "rm", "rp"):
        got = gpu.elementwise(f"cvt.{mode}.{fmt.name}.{source} %r, %a;", [column(source, numbers)], fmt.name)
        assert got.tolist() == [fmt.encode(Fraction(x), mode) for x in numbers], mode


def to_integer(fmt: Format, bits: int, target: str, mode: str) -> int:
    """Clamped to the target's range; a NaN gives 0, or the sign bit alone where 64 bits take part."""
    value = fmt.decode(bits)
    if value == floats.NAN:
        wide = fmt is F64 or bits_of(target) == 64
        return wrap(1 << (bits_of(target) - 1), target) if wide else 0
    assert not isinstance(value, str)
    if isinstance(value, float) and value != 0:
        return clamp(1 << 80 if value > 0 else -(1 << 80), target)
    exact = Fraction(value)
    magnitude = floats.round_to_int(abs(exact), mode, negative=exact < 0)
    return clamp(-magnitude if exact < 0 else magnitude, target)


def integer_like(fmt: Format) -> list[int]:
    """Samples, and numbers about the size of every integer type, with halves."""
    edges = [Fraction(sign * ((1 << power) + add), 2) for power in (0, 1, 3, 8, 9, 16, 17, 32, 33, 64, 65)
             for add in (-3, -2, -1, 0, 1, 2, 3) for sign in (1, -1)]  # fmt: skip
    return floats.samples(fmt, 100) + [fmt.encode(x) for x in edges]


@pytest.mark.parametrize("fmt", FLOATS, ids=lambda f: f.name)
@pytest.mark.parametrize("target", ["u16", "s16", "u32", "s32", "u64", "s64"])
def test_float_to_integer(gpu: Driver, target: str, fmt: Format) -> None:
    bits = integer_like(fmt)
    if fmt is F64 and bits_of(target) == 16:
        bits = [x for x in bits if not fmt.is_nan(x)]  # the manual contradicts itself there
    inputs = [(fmt.name, np.array(bits, DTYPES[fmt.name]))]
    for mode in ("rn", "rz", "rm", "rp"):
        got = gpu.elementwise(f"cvt.{mode}i.{target}.{fmt.name} %r, %a;", inputs, target).tolist()
        for x, result in zip(bits, got, strict=True):
            assert result == to_integer(fmt, x, target, mode), f"{mode}i of {x:#x}"


def test_float_to_integer_flushes(gpu: Driver) -> None:
    tiny = [("f32", np.array([1, F32.sign_bit | 1], np.uint32))]
    assert gpu.elementwise("cvt.rpi.s32.f32 %r, %a;", tiny, "s32").tolist() == [1, 0]
    assert gpu.elementwise("cvt.rpi.ftz.s32.f32 %r, %a;", tiny, "s32").tolist() == [0, 0]
    assert gpu.elementwise("cvt.rmi.ftz.s32.f32 %r, %a;", tiny, "s32").tolist() == [0, 0]


def convert(source: Format, target: Format, bits: int, mode: str) -> int:
    return target.encode(source.decode(bits), mode)


def same(fmt: Format, got: list[int], want: list[int], inputs: list[int]) -> None:
    for bits, right, source in zip(got, want, inputs, strict=True):
        if fmt.is_nan(right):
            assert fmt.is_nan(bits), hex(source)
        else:
            assert bits == right, f"{source:#x} gave {bits:#x}, not {right:#x}"


@pytest.mark.parametrize(("source", "target"), [(F16, F32), (F16, F64), (F32, F64)])
def test_widening(gpu: Driver, source: Format, target: Format) -> None:
    bits = floats.samples(source, 400)
    inputs = [(source.name, np.array(bits, DTYPES[source.name]))]
    got = gpu.elementwise(f"cvt.{target.name}.{source.name} %r, %a;", inputs, target.name).tolist()
    same(target, got, [convert(source, target, x, "rn") for x in bits], bits)


@pytest.mark.parametrize("mode", ["rn", "rz", "rm", "rp"])
@pytest.mark.parametrize(("source", "target"), [(F32, F16), (F64, F16), (F64, F32)])
def test_narrowing(gpu: Driver, source: Format, target: Format, mode: str) -> None:
    ties = [source.encode(floats._exact(target.decode(x)) * (1 + Fraction(1, 2 << target.fraction_bits)))
            for x in floats.samples(target, 60)
            if (x & ~target.sign_bit) < target.infinity]  # fmt: skip
    bits = floats.samples(source, 300) + ties
    inputs = [(source.name, np.array(bits, DTYPES[source.name]))]
    got = gpu.elementwise(f"cvt.{mode}.{target.name}.{source.name} %r, %a;", inputs, target.name).tolist()
    same(target, got, [convert(source, target, x, mode) for x in bits], bits)


@pytest.mark.parametrize("mode", ["rn", "rz"])
def test_bf16_from_f32(gpu: Driver, mode: str) -> None:
    bits = floats.samples(F32, 500)
    inputs = [("f32", np.array(bits, np.uint32))]
    got = gpu.elementwise(f"cvt.{mode}.bf16.f32 %r, %a;", inputs, "bf16").tolist()
    want = [convert(F32, BF16, x, mode) for x in bits]
    same(BF16, got, want, bits)
    got = gpu.elementwise(f"cvt.{mode}.relu.bf16.f32 %r, %a;", inputs, "bf16").tolist()
    # The manual does not say whether -0 counts as negative
    same(
        BF16,
        [0 if x == BF16.sign_bit else x for x in got],
        [0 if x & BF16.sign_bit else x for x in want],
        bits,
    )


def test_bf16_to_f32(gpu: Driver) -> None:
    """Of compute capability 9.0 as an instruction: earlier devices may refuse it."""
    bits = floats.samples(BF16, 200)
    with sm_90_or_skip():
        column16 = [("bf16", np.array(bits, np.uint16))]
        got = gpu.elementwise("cvt.f32.bf16 %r, %a;", column16, "f32", header=SM_90)
    same(F32, got.tolist(), [convert(BF16, F32, x, "rn") for x in bits], bits)


@pytest.mark.parametrize("fmt", [F16, BF16], ids=["f16", "bf16"])
def test_packed_from_two_singles(gpu: Driver, fmt: Format) -> None:
    """cvt.rn.f16x2.f32 d, a, b: a becomes the upper half, b the lower."""
    upper, lower = floats.samples(F32, 200), floats.samples(F32, 200)[::-1]
    inputs = [("f32", np.array(x, np.uint32)) for x in (upper, lower)]
    for mode in ("rn", "rz"):
        got = gpu.elementwise(f"cvt.{mode}.{fmt.name}x2.f32 %r, %a, %b;", inputs, f"{fmt.name}x2")
        low, high = (got & 0xFFFF).tolist(), (got >> 16).tolist()
        same(fmt, high, [convert(F32, fmt, x, mode) for x in upper], upper)
        same(fmt, low, [convert(F32, fmt, x, mode) for x in lower], lower)


def test_tf32(gpu: Driver) -> None:
    """10 fraction bits kept, ties away from zero; the low 13 bits are not specified."""
    bits = [x for x in floats.samples(F32, 300) if not F32.is_nan(x)]
    got = gpu.elementwise("cvt.rna.tf32.f32 %r, %a;", [("f32", np.array(bits, np.uint32))], "b32")
    want = [convert(F32, TF32, x, "rna") for x in bits]
    assert (got >> 13).tolist() == want


@pytest.mark.parametrize("fmt", FLOATS, ids=lambda f: f.name)
def test_rounding_to_an_integral_float(gpu: Driver, fmt: Format) -> None:
    bits = integer_like(fmt)
    inputs = [(fmt.name, np.array(bits, DTYPES[fmt.name]))]
    for mode in ("rn", "rz", "rm", "rp"):
        got = gpu.elementwise(f"cvt.{mode}i.{fmt.name}.{fmt.name} %r, %a;", inputs, fmt.name).tolist()
        same(fmt, got, [integral(fmt, x, mode) for x in bits], bits)


def integral(fmt: Format, bits: int, mode: str) -> int:
    value = fmt.decode(bits)
    if not isinstance(value, Fraction) or not value:
        return fmt.encode(value)
    magnitude = floats.round_to_int(abs(value), mode, negative=value < 0)
    return fmt.encode(Fraction(magnitude)) | (fmt.sign_bit if value < 0 else 0)


@pytest.mark.parametrize("source", FLOATS, ids=lambda f: f.name)
def test_saturation_to_unit_range(gpu: Driver, source: Format) -> None:
    """.sat on a float result: [0, 1], NaN to +0."""
    bits = floats.samples(source, 300)
    inputs = [(source.name, np.array(bits, DTYPES[source.name]))]
    mode = ".rn" if source is F64 else ""
    got = gpu.elementwise(f"cvt{mode}.sat.f32.{source.name} %r, %a;", inputs, "f32").tolist()
    assert got == [F32.saturate(convert(source, F32, x, "rn")) for x in bits]


def test_flushing(gpu: Driver) -> None:
    """.ftz makes subnormal f32 inputs and results zeros of their sign."""
    bits = [*floats.samples(F32, 100), 1, 2155872255]
    column32 = [("f32", np.array(bits, np.uint32))]
    flushed = [F32.flush(x) for x in bits]
    got = gpu.elementwise("cvt.ftz.f64.f32 %r, %a;", column32, "f64").tolist()
    same(F64, got, [convert(F32, F64, x, "rn") for x in flushed], bits)
    got = gpu.elementwise("cvt.rn.ftz.f16.f32 %r, %a;", column32, "f16").tolist()
    same(F16, got, [convert(F32, F16, x, "rn") for x in flushed], bits)
    small = [F64.from_float(x) for x in (1e-40, -1e-40, 1e-46, 1.0, 2.0**-126)]
    got = gpu.elementwise("cvt.rn.ftz.f32.f64 %r, %a;", [("f64", np.array(small, np.uint64))], "f32").tolist()
    assert got == [F32.flush(convert(F64, F32, x, "rn")) for x in small]


@pytest.mark.parametrize("target", ["u8", "s8", "u16", "s16"])
def test_pack(gpu: Driver, target: str) -> None:
    """cvt.pack.sat d, a, b (, c): saturated a above saturated b, above it the low half of c."""
    a, b, c = (values("s32", 200, seed=i) for i in range(3))
    bits, mask = bits_of(target), (1 << bits_of(target)) - 1
    inputs = [column("s32", a), column("s32", b), column("u32", c)]
    narrow = bits == 8
    body = f"cvt.pack.sat.{target}.s32{'.b32' if narrow else ''} %r, %a, %b{', %c' if narrow else ''};"
    got = gpu.elementwise(body, inputs, "u32").tolist()
    for x, y, z, result in zip(a, b, c, got, strict=True):
        pair = (clamp(x, target) & mask) << bits | clamp(y, target) & mask
        assert result == (pair | (z & 0xFFFF) << 16 if narrow else pair)
