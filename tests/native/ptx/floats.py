# SPDX-License-Identifier: BSD-3-Clause
"""Binary floating point by exact rational arithmetic: the expected values of the arithmetic tests.

A number is a bit pattern of a Format. Results are rounded once, from the exact rational, as IEEE 754 says,
with PTX's rules on top: .ftz flushes subnormal inputs and results to a zero of their sign, .sat clamps to
[0, 1] and turns NaN into +0.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

NAN = "nan"
Number = Fraction | float | str  # a Fraction, +-math.inf, -0.0 for the negative zero, or NAN


@dataclass(frozen=True)
class Format:
    """A binary interchange format: `precision` counts the hidden bit."""

    name: str
    bits: int
    precision: int

    @property
    def fraction_bits(self) -> int:
        return self.precision - 1

    @property
    def exponent_bits(self) -> int:
        return self.bits - self.precision

    @property
    def bias(self) -> int:
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def min_normal(self) -> Fraction:
        return Fraction(1, 1 << (self.bias - 1))

    @property
    def infinity(self) -> int:
        return ((1 << self.exponent_bits) - 1) << self.fraction_bits

    @property
    def sign_bit(self) -> int:
        return 1 << (self.bits - 1)

    @property
    def quiet_nan(self) -> int:
        """The canonical NaN that PTX arithmetic returns for f32 and narrower."""
        return self.sign_bit - 1

    def is_nan(self, bits: int) -> bool:
        return (bits & ~self.sign_bit) > self.infinity

    def is_subnormal(self, bits: int) -> bool:
        return 0 < (bits & ~self.sign_bit) < (1 << self.fraction_bits)

    def flush(self, bits: int) -> int:
        return bits & self.sign_bit if self.is_subnormal(bits) else bits

    def decode(self, bits: int) -> Number:
        sign = -1 if bits & self.sign_bit else 1
        exponent = (bits >> self.fraction_bits) & ((1 << self.exponent_bits) - 1)
        fraction = bits & ((1 << self.fraction_bits) - 1)
        if exponent == (1 << self.exponent_bits) - 1:
            return NAN if fraction else sign * math.inf
        if not exponent and not fraction:
            return Fraction(0) if sign > 0 else -0.0
        significand = fraction | (1 << self.fraction_bits) if exponent else fraction
        power = max(exponent, 1) - self.bias - self.fraction_bits
        return sign * significand * Fraction(2) ** power

    def encode(self, value: Number, mode: str = "rn") -> int:
        """The bits of `value` rounded by `mode`: rn (ties to even), rna (ties away), rz, rm, rp."""
        if value == NAN:
            return self.quiet_nan
        if isinstance(value, float):
            sign = self.sign_bit if math.copysign(1, value) < 0 else 0
            return sign | (self.infinity if math.isinf(value) else 0)
        assert isinstance(value, Fraction)
        sign, magnitude = (self.sign_bit, -value) if value < 0 else (0, value)
        if not magnitude:
            return 0
        power = max(_floor_log2(magnitude), 1 - self.bias) - self.fraction_bits
        scaled = magnitude / Fraction(2) ** power
        units = round_to_int(scaled, mode, negative=bool(sign))
        bits = units + ((power + self.fraction_bits + self.bias - 1) << self.fraction_bits)
        if bits >= self.infinity:
            bits = self.infinity if _overflows_to_infinity(mode, bool(sign)) else self.infinity - 1
        return sign | bits

    def saturate(self, bits: int) -> int:
        value = self.decode(bits)
        if value == NAN or not _as_fraction_or_inf(value) > 0:
            return 0
        return self.encode(Fraction(1)) if _as_fraction_or_inf(value) > 1 else bits

    def from_float(self, value: float) -> int:
        if math.isnan(value):
            return self.quiet_nan
        exact = value == 0 or math.isinf(value)
        return self.encode((value if math.copysign(1, value) < 0 or value else Fraction(0)) if exact
                           else Fraction(value))  # fmt: skip


F16 = Format("f16", 16, 11)
BF16 = Format("bf16", 16, 8)
TF32 = Format("tf32", 19, 11)
F32 = Format("f32", 32, 24)
F64 = Format("f64", 64, 53)
FORMATS = {f.name: f for f in (F16, BF16, F32, F64)}


def _floor_log2(value: Fraction) -> int:
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2) ** guess <= value else guess - 1


def _overflows_to_infinity(mode: str, negative: bool) -> bool:
    return mode in ("rn", "rna") or (mode == "rp" and not negative) or (mode == "rm" and negative)


def round_to_int(magnitude: Fraction, mode: str, *, negative: bool) -> int:
    """`magnitude` (not negative) rounded to an integer; `negative` is the sign of its number."""
    whole, rest = divmod(magnitude.numerator, magnitude.denominator)
    double = 2 * rest - magnitude.denominator
    up = {
        "rn": double > 0 or (double == 0 and whole & 1),
        "rna": double >= 0,
        "rz": False,
        "rm": negative and rest > 0,
        "rp": not negative and rest > 0,
    }[mode]
    return whole + (1 if up else 0)


def _as_fraction_or_inf(value: Number) -> Fraction | float:
    assert not isinstance(value, str)
    return value


def _sign(value: Number) -> int:
    assert not isinstance(value, str)
    return -1 if value < 0 or (isinstance(value, float) and math.copysign(1, value) < 0) else 1


def _is_zero(value: Number) -> bool:
    return value == 0


def _exact(value: Number) -> Fraction:
    assert not isinstance(value, str)
    return Fraction(value)


def add(a: Number, b: Number, mode: str) -> Number:
    """The exact sum; `mode` decides the sign of an exact zero."""
    if NAN in (a, b):
        return NAN
    infinite = [x for x in (a, b) if isinstance(x, float) and math.isinf(x)]
    if infinite:
        return NAN if len(set(infinite)) == 2 else infinite[0]
    total = _exact(a) + _exact(b)
    if total:
        return total
    if _is_zero(a) and _is_zero(b) and _sign(a) == _sign(b):
        return a
    return -0.0 if mode == "rm" else Fraction(0)


def negate(a: Number) -> Number:
    if isinstance(a, str):
        return a
    return (-0.0 if _sign(a) > 0 else Fraction(0)) if _is_zero(a) else -a


def sub(a: Number, b: Number, mode: str) -> Number:
    return add(a, negate(b), mode)


def mul(a: Number, b: Number, mode: str) -> Number:
    if isinstance(a, str) or isinstance(b, str):
        return NAN
    sign = _sign(a) * _sign(b)
    if math.inf in (abs(a), abs(b)):
        return NAN if _is_zero(a) or _is_zero(b) else sign * math.inf
    product = _exact(a) * _exact(b)
    return product if product else (Fraction(0) if sign > 0 else -0.0)


def fma(a: Number, b: Number, c: Number, mode: str) -> Number:
    return add(mul(a, b, mode), c, mode)


def div(a: Number, b: Number, mode: str) -> Number:
    if isinstance(a, str) or isinstance(b, str):
        return NAN
    sign = _sign(a) * _sign(b)
    a_inf, b_inf = abs(a) == math.inf, abs(b) == math.inf
    if (a_inf and b_inf) or (_is_zero(a) and _is_zero(b)):
        return NAN
    if a_inf or _is_zero(b):
        return sign * math.inf
    if b_inf or _is_zero(a):
        return Fraction(0) if sign > 0 else -0.0
    return _exact(a) / _exact(b)


def sqrt(a: Number, mode: str) -> Number:
    """The root, exact or with enough bits and a sticky one that every Format rounds it rightly."""
    if isinstance(a, str) or _is_zero(a):
        return a
    if _sign(a) < 0:
        return NAN
    if isinstance(a, float):
        return a
    shift = 2 * 128 + 2 * abs(_floor_log2(a))
    scaled = (a.numerator << shift) // a.denominator
    root = math.isqrt(scaled)
    exact = root * root * a.denominator == a.numerator << shift
    return Fraction(2 * root + (0 if exact else 1), 1 << (shift // 2 + 1))


Operation = Callable[..., Number]


def expected(
    fmt: Format, op: Operation, args: list[int], mode: str, ftz: bool = False, sat: bool = False
) -> int:
    """The bits of op(args) in `fmt`."""
    if ftz:
        args = [fmt.flush(arg) for arg in args]
    bits = fmt.encode(op(*(fmt.decode(arg) for arg in args), mode), mode)
    if ftz:
        bits = fmt.flush(bits)
    return fmt.saturate(bits) if sat else bits


def flush_is_ambiguous(fmt: Format, op: Operation, args: list[int], mode: str) -> bool:
    """A subnormal exact result that rounds up to the smallest normal: .ftz may see it on either side."""
    exact = op(*(fmt.decode(fmt.flush(arg)) for arg in args), mode)
    return isinstance(exact, Fraction) and 0 < abs(exact) < fmt.min_normal and (
        abs(_exact(fmt.decode(fmt.encode(exact, mode)))) == fmt.min_normal
    )  # fmt: skip


def samples(fmt: Format, count: int, seed: int = 1) -> list[int]:
    """Edge cases of the format, then random bits: any pattern, and numbers of like magnitude."""
    rng = random.Random(f"{fmt.name} {seed}")
    one, last = fmt.encode(Fraction(1)), (1 << fmt.fraction_bits) - 1
    edges = [0, 1, last, last + 1, one, one + 1, one - 1, fmt.encode(Fraction(3, 2)),
             fmt.encode(Fraction(1, 3)), fmt.encode(Fraction(10)), fmt.infinity - 1, fmt.infinity,
             fmt.infinity + 1, fmt.quiet_nan]  # fmt: skip
    edges += [edge | fmt.sign_bit for edge in edges]
    anything = [rng.getrandbits(fmt.bits) for _ in range(count)]
    near_one = [
        (one & ~last) + (rng.randrange(-3, 4) << fmt.fraction_bits) + (rng.getrandbits(fmt.fraction_bits))
        | rng.choice((0, fmt.sign_bit))
        for _ in range(count)
    ]
    return edges + anything + near_one
