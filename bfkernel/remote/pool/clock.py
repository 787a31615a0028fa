# SPDX-License-Identifier: BSD-3-Clause
"""The pool's time."""

from __future__ import annotations

import time


class PoolClock:
    """Seconds since the epoch that never jump: a clock that is set forward must not expire leases.

    It goes on from ``now``, or from this machine's time.
    """

    def __init__(self, now: float | None = None) -> None:
        self._offset = (time.time() if now is None else now) - time.monotonic()

    def __call__(self) -> float:
        """Return the time."""
        return time.monotonic() + self._offset
