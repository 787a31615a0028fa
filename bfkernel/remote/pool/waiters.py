# SPDX-License-Identifier: BSD-3-Clause
"""Those who wait until something of a name happens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Waiters:
    """Waiting coroutines by the name of what they wait for."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    async def wait(self, name: str, timeout_s: float) -> bool:
        """Return True when ``name`` is woken, False after ``timeout_s``."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, set()).add(future)
        try:
            await asyncio.wait([future], timeout=timeout_s)
        finally:
            if remaining := self._waiting.get(name):
                remaining.discard(future)
                if not remaining:
                    del self._waiting[name]
        return future.done()

    def wake(self, names: Iterable[str]) -> None:
        """Wake all that wait for one of ``names``."""
        for name in names:
            for future in self._waiting.pop(name, ()):
                if not future.done():
                    future.set_result(None)

    def wake_all(self) -> None:
        """Wake everybody."""
        self.wake(list(self._waiting))
