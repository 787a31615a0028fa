# SPDX-License-Identifier: BSD-3-Clause
"""The short form of ``make soak``: what leaks a byte in a few launches, or an object, shows in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from .soak import MOST_GROWTH_KIB, growth_kib, samples

LAUNCHES, STEP = 500_000, 50


@pytest.mark.parametrize("transport", ["shared", "tcp"])
def test_memory_stays_flat(tmp_path: Path, transport: str) -> None:
    taken = list(samples(LAUNCHES, STEP, tmp_path, transport))
    assert taken[-1].launches == LAUNCHES
    assert max(growth_kib(taken)) <= MOST_GROWTH_KIB, taken
