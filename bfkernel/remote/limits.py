# SPDX-License-Identifier: BSD-3-Clause
"""Limits of a quota in words, as the configuration and the command line have them: ``2h``, ``8GiB``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bfkernel.remote.messages import QuotaLimits
from bfkernel.remote.units import parse_duration, parse_size_mib

UNLIMITED = "unlimited"
_READERS = {"_s": parse_duration, "_mib": parse_size_mib}


def read_limit(name: str, words: str) -> tuple[str, Any]:
    """Return a limit's name and its value; a unit may stand with the value instead of the name.

    ``longest_lease`` ``2h`` is ``longest_lease_s`` 7200; ``unlimited`` stays a word; ``none`` is None, which
    says nothing.

    Raises:
        ValueError: there is no such limit, or it has no such value.
    """
    full = full_name(name)
    if words.lower() == "none":
        return full, None
    if words.lower() == UNLIMITED:
        return full, UNLIMITED
    read = next((read for unit, read in _READERS.items() if full.endswith(unit)), _number)
    try:
        return full, read(words)
    except ValueError as error:
        msg = f"{name}: {error}"
        raise ValueError(msg) from error


def full_name(name: str) -> str:
    """Return a limit's whole name. Raises ValueError when there is none of that name."""
    for full in (name, *(name + unit for unit in _READERS)):
        if full in QuotaLimits.model_fields:
            return full
    msg = f"'{name}' is no limit: write one of {', '.join(QuotaLimits.model_fields)}."
    raise ValueError(msg)


def in_numbers(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits with their words read. Raises ValueError like :func:`read_limit`."""
    words = {name: value for name, value in limits.items() if isinstance(value, str)}
    return {**limits, **dict(read_limit(*pair) for pair in words.items())}


def _number(words: str) -> float:
    try:
        number = float(words)
        return int(number) if number == int(number) else number
    except (ValueError, OverflowError):
        msg = f"'{words}' is no number; 'unlimited' and 'none' are words for one."
        raise ValueError(msg) from None
