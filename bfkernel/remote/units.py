# SPDX-License-Identifier: BSD-3-Clause
"""Durations and sizes as people write them: ``60s``, ``5min``, ``32GiB``, ``2048m``."""

from __future__ import annotations

import re
from decimal import Decimal

_SECONDS = {
    "": Decimal(1),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_BYTES = {
    "": 1 << 20,
    "b": 1,
    "k": 1 << 10,
    "kib": 1 << 10,
    "m": 1 << 20,
    "mib": 1 << 20,
    "g": 1 << 30,
    "gib": 1 << 30,
    "t": 1 << 40,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_NUMBER = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*")


def parse_duration(text: str) -> float:
    """Return the seconds of ``60s``, ``1.5min``, ``2h``, ``1d`` or a bare number of seconds.

    Raises:
        ValueError: the text is no duration.
    """
    amount, unit = _split(text)
    if unit not in _SECONDS:
        msg = f"'{text}' is no duration: write a number and one of ms, s, min, h, d, such as 60s."
        raise ValueError(msg)
    return float(amount * _SECONDS[unit])


def parse_size_mib(text: str) -> int:
    """Return the MiB of ``32GiB``, ``2048MiB``, ``2048m`` or a bare number of MiB; part of a MiB is dropped.

    Raises:
        ValueError: the text is no size, or is less than one MiB.
    """
    amount, unit = _split(text)
    if unit not in _BYTES:
        msg = f"'{text}' is no size: write a number and one of MiB, GiB, TiB, such as 32GiB."
        raise ValueError(msg)
    mib = int(amount * _BYTES[unit]) >> 20
    if mib < 1:
        msg = f"'{text}' is less than 1 MiB, the smallest size."
        raise ValueError(msg)
    return mib


def format_duration(seconds: float) -> str:
    """Return a rough duration for people: ``40 s``, ``2 min``, ``3 h``."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"


def format_limit(seconds: float) -> str:
    """Return a duration that somebody set, exactly, in the largest unit that it is whole in: ``90 min``."""
    for unit, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {word}"
    return f"{seconds:g} s"


def _split(text: str) -> tuple[Decimal, str]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        msg = f"'{text}' is not a number with a unit, such as 60s or 32GiB."
        raise ValueError(msg)
    return Decimal(match[1]), match[2].lower()
