# SPDX-License-Identifier: BSD-3-Clause
"""What a program of the check says, one fact a line, and how two runs of it compare.

``value NAME NUMBER``      a result: native and shared must agree
``same NAME TEXT``         a result that must be the same to the letter
``speed NAME NUMBER UNIT`` a rate, more is better: told as a ratio, never judged
``skipped NAME REASON``    what this machine cannot do
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from .report import Row, Verdict

# Both runs use the same GPU and libraries; the order of sums in atomics and the chosen algorithms may differ.
TOLERANCE = 0.02


@dataclass
class Said:
    """The facts that one run printed."""

    values: dict[str, float] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    speeds: dict[str, tuple[float, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.values or self.same or self.speeds or self.skipped)


def parse(output: str) -> Said:
    """Read what a program printed; other lines are the frameworks' own."""
    said = Said()
    for line in output.splitlines():
        kind, _, rest = line.partition(" ")
        name, _, fact = rest.partition(" ")
        if not fact:
            continue
        if kind == "value":
            said.values[name] = float(fact)
        elif kind == "same":
            said.same[name] = fact
        elif kind == "speed":
            number, _, unit = fact.partition(" ")
            said.speeds[name] = float(number), unit
        elif kind == "skipped":
            said.skipped[name] = fact
    return said


def agree(a: float, b: float, tolerance: float = TOLERANCE) -> bool:
    """Whether two results are the same but for rounding; what is not a number agrees with nothing."""
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= tolerance * max(abs(a), abs(b), 1e-6)


def compare(section: str, native: Said, shared: Said, where: str = "") -> list[Row]:
    """Judge the shared run by the native one, fact by fact."""
    return list(_rows(section, native, shared, f" {where}" if where else ""))


def _rows(section: str, native: Said, shared: Said, where: str) -> Iterable[Row]:
    for name in native.values.keys() | shared.values.keys():
        a, b = native.values.get(name), shared.values.get(name)
        good = a is not None and b is not None and agree(a, b)
        yield Row(section, name + where, _verdict(good), _number(a), _number(b))
    for name in native.same.keys() | shared.same.keys():
        first, second = native.same.get(name), shared.same.get(name)
        yield Row(section, name + where, _verdict(first == second), first or "-", second or "-")
    for name in native.speeds.keys() | shared.speeds.keys():
        yield _speed(section, name, native, shared, where)
    for name, reason in (native.skipped | shared.skipped).items():
        yield Row(section, name + where, Verdict.SKIPPED, note=reason)


def _speed(section: str, name: str, native: Said, shared: Said, where: str) -> Row:
    a, b = native.speeds.get(name), shared.speeds.get(name)
    ratio = f"{b[0] / a[0]:.2f} of native" if a and b and a[0] else ""
    texts = [f"{pair[0]:.4g} {pair[1]}".strip() if pair else "-" for pair in (a, b)]
    return Row(section, name + where, _verdict(a is not None and b is not None), *texts, note=ratio)


def _verdict(good: bool) -> Verdict:
    return Verdict.PASSED if good else Verdict.FAILED


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
