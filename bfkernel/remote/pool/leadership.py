# SPDX-License-Identifier: BSD-3-Clause
"""Which of a pool's replicas decides: what each knows of it, and how one without others takes it.

Replicas on PostgreSQL elect one, see ``election.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from bfkernel.remote.pool.clock import PoolClock


@dataclass(frozen=True)
class Leader:
    """The replica that decides in an epoch, and where this replica reaches it: nowhere, while it prepares.

    ``here``: it is this one.
    """

    epoch: int
    url: str | None
    here: bool = False


@dataclass(frozen=True)
class Term:
    """A time in which this replica decides.

    ``fence`` is the epoch that the database must show for as long as the term lasts, None where there are no
    other replicas; ``over`` returns when the term has ended without this replica's doing.
    """

    epoch: int
    fence: int | None
    clock: Callable[[], float]
    over: Callable[[], Coroutine[None, None, None]]


class Leaders:
    """What a replica knows of who decides. Used on its event loop only."""

    def __init__(self) -> None:
        self.current = Leader(0, None)
        self._changed = asyncio.Event()

    def learn(self, leader: Leader) -> None:
        """Take news of a leader, or of how to reach it; old news is passed over."""
        if leader.epoch < self.current.epoch or leader == self.current:
            return
        self.current = leader
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Return when there is news."""
        await self._changed.wait()

    async def after(self, epoch: int, timeout_s: float) -> Leader | None:
        """Return a leader that takes requests, of a later epoch than ``epoch``, or None after the time."""
        deadline = time.monotonic() + timeout_s
        while self.current.url is None or self.current.epoch <= epoch:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                return None
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed(), remaining_s)
        return self.current


class Election(Protocol):
    """How a replica comes to decide. Called by :class:`~bfkernel.remote.pool.replica.Replica`."""

    #: Whether there may be other replicas.
    contested: bool

    def term(self) -> AbstractAsyncContextManager[Term]:
        """Wait until this replica may decide; the term ends with the context.

        Raises:
            ElectionError: the database does not answer; try again.
        """

    async def listen(self) -> None:
        """Keep what this replica knows of the leader up to date, until cancelled."""


class ElectionError(Exception):
    """The database, by which replicas elect one of them, does not answer."""


class Uncontested:
    """The election of a pool without replicas."""

    contested = False

    def __init__(self) -> None:
        self._epoch = 0

    @asynccontextmanager
    async def term(self) -> AsyncIterator[Term]:
        """Begin at once; nobody else ends it."""
        self._epoch += 1
        yield Term(self._epoch, None, PoolClock(), _never)

    async def listen(self) -> None:
        """There is nobody to hear of."""


async def _never() -> None:
    await asyncio.Event().wait()
