# SPDX-License-Identifier: BSD-3-Clause
"""The queue: leases that wait, in order of arrival, each able to tell its place.

Both a lease's place and its removal cost a binary search (and a memmove of the sequence numbers behind it).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from bfkernel.remote.records import Lease


class WaitingLine:
    """Queued leases by their sequence number."""

    def __init__(self) -> None:
        self._order: list[int] = []
        self._leases: dict[int, Lease] = {}

    def __len__(self) -> int:
        return len(self._order)

    def next_after(self, sequence: int) -> Lease | None:
        """Return the first lease that came after ``sequence``."""
        place = bisect_right(self._order, sequence)
        return self._leases[self._order[place]] if place < len(self._order) else None

    def add(self, lease: Lease) -> None:
        """Put a lease where its sequence number says: at the end, but for one that a restart brings back."""
        insort(self._order, lease.sequence)
        self._leases[lease.sequence] = lease

    def remove(self, lease: Lease) -> None:
        """Take a lease out."""
        del self._leases[lease.sequence]
        del self._order[bisect_left(self._order, lease.sequence)]

    def position(self, lease: Lease) -> int:
        """Return the place of a queued lease; the first is 1."""
        return bisect_left(self._order, lease.sequence) + 1

    def behind(self, sequence: int) -> Iterator[Lease]:
        """Leases that came after ``sequence``."""
        return (self._leases[s] for s in self._order[bisect_right(self._order, sequence) :])
