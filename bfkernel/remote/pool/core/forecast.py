# SPDX-License-Identifier: BSD-3-Clause
"""About when a queued request will be served, from the limits of running leases and how long leases last.

A forecast adds up shares and does not pack them onto cards, so it is a rough one; where neither limits nor
history say when enough will be free, it says nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable
from itertools import accumulate

from bfkernel.remote.pool.core.fleet import Fleet
from bfkernel.remote.pool.core.queue import WaitingLine
from bfkernel.remote.records import Lease

_REMEMBERED = 500
#: with fewer leases that lasted longer than this one has, history says nothing of it
_ENOUGH = 3


class History:
    """How long the last granted leases lasted, in seconds."""

    def __init__(self) -> None:
        self._newest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, duration_s: float) -> None:
        """Remember a lease that has ended; the oldest is forgotten."""
        self._newest.append(duration_s)
        insort(self._sorted, duration_s)
        if len(self._newest) > _REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._newest.popleft())]

    def left_s(self, age_s: float) -> float | None:
        """Return what is left, at the median, of a lease that has lasted ``age_s``; None: unknown."""
        first = bisect_right(self._sorted, age_s)
        longer = len(self._sorted) - first
        return self._sorted[first + longer // 2] - age_s if longer >= _ENOUGH else None


class Forecast:
    """What was to be expected at one time."""

    def __init__(
        self, now: float, queue: WaitingLine, fleet: Fleet, held: Iterable[Lease], history: History
    ) -> None:
        ends = sorted(
            (end, lease.hundredths)
            for lease in held
            if fleet.servers[lease.server or ""].accepts
            if (end := _expected_end(now, lease, history)) is not None
        )
        self.made_at = now
        self._ends = [end for end, _ in ends]
        self._freed = list(accumulate(hundredths for _, hundredths in ends))
        self._free = _free_hundredths(fleet)
        #: of each queued lease's sequence, the hundredths that it and those before it ask for
        self._wanted: dict[int, int] = {}
        total = 0
        for lease in queue:
            total += lease.hundredths
            self._wanted[lease.sequence] = total
        self._all_wanted = total

    def eta_s(self, now: float, lease: Lease) -> float | None:
        """Return the seconds until a queued lease is granted, about; None when it is unknown.

        One that has come since the forecast was made counts as the last.
        """
        wanted = self._wanted.get(lease.sequence, self._all_wanted + lease.hundredths)
        # What is free and yet does not serve it lies in pieces: as much as its own share must become free.
        at = bisect_left(self._freed, max(lease.hundredths, wanted - self._free))
        return max(0.0, self._ends[at] - now) if at < len(self._ends) else None


def _expected_end(now: float, lease: Lease, history: History) -> float | None:
    age_s = now - (lease.granted_at or now)
    left_s = history.left_s(age_s)
    known = [
        end for end in (lease.ends_at, lease.idle_until, None if left_s is None else now + left_s) if end
    ]
    return min(known, default=None)


def _free_hundredths(fleet: Fleet) -> int:
    return sum(
        max(0, 100 * card.free_mib // size) for size in fleet.sizes() for card in fleet.free_cards(size)
    )
