# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(condition: Callable[[], Found], limit_s: float = 20.0, what: str = "it") -> Found:
    """Wait until ``condition`` returns something true, and return that. Fails after ``limit_s`` seconds."""
    give_up = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < give_up, f"{what} had not come true after {limit_s:g} s"
        time.sleep(0.02)
    return found
