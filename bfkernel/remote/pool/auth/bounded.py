# SPDX-License-Identifier: BSD-3-Clause
"""A dictionary that forgets: what is too old, and what has been unused for longest when it is full."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """At most ``most`` values, each for its own time."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """Return the value, or None when there is none or its time is over."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, value = kept
        if until <= self._clock():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value

    def put(self, key: Key, value: Value, for_s: float = float("inf")) -> None:
        """Keep a value for so many seconds."""
        self._kept[key] = (self._clock() + for_s, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget a value, if it is there."""
        self._kept.pop(key, None)
