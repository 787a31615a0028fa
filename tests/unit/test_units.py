# SPDX-License-Identifier: BSD-3-Clause
"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest

from bfkernel.remote.units import format_duration, parse_duration, parse_size_mib


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("60", 60), ("500ms", 0.5), ("1.5min", 90), ("2 h", 7200), ("1d", 86400), (" 5M ", 300)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("32GiB", 32768),
        ("2048", 2048),
        ("2048m", 2048),
        ("1.5g", 1536),
        ("1TiB", 1 << 20),
        ("1073741824B", 1024),
    ],
)
def test_sizes(text: str, mib: int) -> None:
    assert parse_size_mib(text) == mib


@pytest.mark.parametrize("text", ["", "s", "-1s", "1x", "1e5", "nan", "60 s s", "9" * 30])
def test_what_is_neither(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        parse_duration(text)
    with pytest.raises(ValueError, match=r"\.$"):
        parse_size_mib(text)


def test_less_than_a_mib_is_refused() -> None:
    with pytest.raises(ValueError, match="1 MiB"):
        parse_size_mib("1023kib")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (130, "2 min"), (7300, "2 h")])
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
