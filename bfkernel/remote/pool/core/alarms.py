# SPDX-License-Identifier: BSD-3-Clause
"""Times at which something must be looked at: one for each key, the newest that was set."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: So many times that no longer count may always lie in the heap.
_SLACK = 64


class Alarms(Generic[Key]):
    """A heap of times with keys.

    Setting a key anew leaves its old time in the heap, to be passed over; when most are such, all go.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._at: dict[Key, float] = {}
        self._order = count()

    def set(self, key: Key, at: float | None) -> None:
        """Ask to hear of ``key`` at ``at``; None: no more."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))
            if len(self._heap) > 2 * len(self._at) + _SLACK:
                self._heap = [(at, next(self._order), key) for key, at in self._at.items()]
                heapq.heapify(self._heap)

    def at(self, key: Key) -> float | None:
        """Return the time that is set for ``key``."""
        return self._at.get(key)

    def due(self, now: float) -> Iterator[Key]:
        """Yield each key whose time has come, and forget it; also those that are set meanwhile."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                yield key
