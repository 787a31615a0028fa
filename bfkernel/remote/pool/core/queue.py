# SPDX-License-Identifier: BSD-3-Clause
"""The queue: leases that wait, by priority, then by fair share, each able to tell its place.

Within a priority a request's place is its *tag*, fixed when it arrives: the tag of the newest grant plus what
the user would hold with this request (what is held, what waits, and the request itself, in hundredths of a
GPU), divided by the user's weight; but never before an earlier request of the same user. So of two users who
ask at the same time the one who has less goes first, and equal ones go in order of arrival.

Every grant moves the newest grant's tag up, and with it all who come later. Hence a bound: of what is asked
for after a waiting request, each other user is served less before it than its own user held, waited for and
asked for when it came (by weight: twice the weight, twice as much). So nobody starves. This is self-clocked
fair queueing (Golestani 1994) with a user's leases as the flow. The bound is about order; how far requests
may pass others that find no room is the scheduler's.

A place, a removal and an arrival cost a binary search, and a memmove of the keys behind it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator

from bfkernel.remote.records import Lease, Need

Key = tuple[int, float, int]


def key_of(lease: Lease) -> Key:
    """Return what the queue is sorted by."""
    return (-lease.priority, lease.tag, lease.sequence)


class WaitingLine:
    """Queued leases, in the order in which they are to be served."""

    def __init__(self) -> None:
        self._order: list[Key] = []
        self._leases: dict[int, Lease] = {}
        self._of_need: dict[Need, list[Key]] = {}
        #: grows whenever somebody's place may have changed; part of a queued lease's revision
        self.moves = 0

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Lease]:
        """Leases in order."""
        return (self._leases[key[2]] for key in self._order)

    def add(self, lease: Lease) -> None:
        """Put a lease where its priority and tag say."""
        key = key_of(lease)
        last = not self._order or self._order[-1] < key
        insort(self._order, key)
        insort(self._of_need.setdefault(lease.need, []), key)
        self._leases[lease.sequence] = lease
        if not last:
            self.moves += 1

    def remove(self, lease: Lease) -> None:
        """Take a lease out."""
        key = key_of(lease)
        del self._leases[lease.sequence]
        del self._order[bisect_left(self._order, key)]
        same = self._of_need[lease.need]
        del same[bisect_left(same, key)]
        if not same:
            del self._of_need[lease.need]
        # Its holder has seen revisions up to this one.
        lease.revision += self.moves
        self.moves += 1

    def position(self, lease: Lease) -> int:
        """Return the place of a queued lease; the first is 1."""
        return bisect_left(self._order, key_of(lease)) + 1

    def needs(self) -> list[Need]:
        """Return every need that somebody waits for."""
        return list(self._of_need)

    def first(self, need: Need, after: Key | None = None) -> Lease | None:
        """Return the first lease of ``need``, or the first behind ``after``."""
        same = self._of_need.get(need, [])
        at = 0 if after is None else bisect_left(same, (*after[:2], after[2] + 1))
        return self._leases[same[at][2]] if at < len(same) else None


class FairShare:
    """Gives requests their tags."""

    def __init__(self) -> None:
        self._newest: defaultdict[int, float] = defaultdict(float)

    def tag(self, lease: Lease, hundredths: int, weight: float, not_before: float) -> float:
        """Return the tag of an arriving request.

        ``hundredths`` is what its user would hold with it, ``not_before`` the tag of the user's own request
        before it: one's own requests stay in order.
        """
        return max(self._newest[lease.priority] + hundredths / weight, not_before)

    def resume(self, lease: Lease, hundredths: int, weight: float) -> None:
        """After a restart: note where a waiting request stands, whose user holds and waits for so much."""
        self._newest[lease.priority] = max(self._newest[lease.priority], lease.tag - hundredths / weight)

    def granted(self, lease: Lease) -> None:
        """Note a grant: who arrives from now on goes behind it."""
        self._newest[lease.priority] = max(self._newest[lease.priority], lease.tag)
