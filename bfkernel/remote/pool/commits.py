# SPDX-License-Identifier: BSD-3-Clause
"""From the core's changes to the database: what is decided is stored before anybody hears of it.

One thread writes; what is decided while it does shares the next commit. When a commit fails, or another
replica may decide by now, nobody is answered any more: what was decided and not stored never was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from bfkernel.remote.logs import event, reason_of
from bfkernel.remote.pool.core import Changes, PoolCore
from bfkernel.remote.pool.store import Batch, Store

log = logging.getLogger("pool")

Result = TypeVar("Result")
NOT_STORED = "The pool could not store the change; try again."


class StoreFailedError(Exception):
    """The database took no change, or another replica decides by now; what is stored counts."""


class Commits:
    """Stores what the core has changed, in batches; used on the event loop only."""

    def __init__(
        self,
        core: PoolCore,
        store: Store,
        announce: Callable[[Changes], None],
        give_up: Callable[[], None],
    ) -> None:
        """``announce`` is called with changes that are stored, ``give_up`` when some could not be.

        ``give_up`` calls :meth:`abandon`.
        """
        self._core = core
        self._store = store
        self._announce = announce
        self._give_up = give_up
        #: done when the changes that are not being written yet are stored
        self._next: asyncio.Future[None] | None = None
        #: the changes that are being written
        self._writing: Changes | None = None
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        #: set when what was decided may not be stored: nobody is answered any more
        self.lost = asyncio.Event()

    def committed(self) -> asyncio.Future[None]:
        """Return what is done when every change up to now is stored, or fails with StoreFailedError."""
        loop = asyncio.get_running_loop()
        if self.lost.is_set():
            return _fail(loop.create_future())
        if self._next is None:
            self._next = loop.create_future()
            if self._writing is None:
                loop.call_soon(self._write_next)
        return asyncio.shield(self._next)

    async def settled(self, lease_id: str) -> None:
        """Wait until what was decided about a lease is stored.

        What is not stored yet must not be seen: a pool that dies now would not know it.
        """
        await self.still_deciding()
        while self._core.is_unsaved(lease_id) or (self._writing and lease_id in self._writing.leases):
            await self.committed()

    async def all_settled(self) -> None:
        """Wait until everything that was decided is stored."""
        if self._next or self._writing:
            await self.committed()
        else:
            await self.still_deciding()

    async def still_deciding(self) -> None:
        """Make sure that no other replica has begun to decide: what this one knows may be old then."""
        if self._store.shared or self.lost.is_set():
            await self.committed()

    def written(self, work: Callable[..., Result], *arguments: Any) -> Awaitable[Result]:
        """Do ``work``, which writes, on the thread that writes."""
        return asyncio.get_running_loop().run_in_executor(self._writer, work, *arguments)

    def abandon(self) -> None:
        """Store nothing any more, and fail whoever waits for it."""
        self.lost.set()
        if self._next:
            _fail(self._next)
            self._next = None

    def close(self) -> None:
        """End the thread."""
        self._writer.shutdown(wait=not self.lost.is_set())

    def _write_next(self) -> None:
        future, self._next = self._next, None
        if future is None:
            return
        changes = self._core.take_changes()
        if not (changes.leases or changes.servers or self._store.shared):
            future.set_result(None)
            self._announce(changes)
            return
        known = self._core.servers
        changed_servers = [known[name] for name in changes.servers if name in known]
        gone_servers = [name for name in changes.servers if name not in known]
        batch = self._store.batch(changes.leases.values(), changed_servers, gone_servers)
        self._writing = changes
        writing = asyncio.ensure_future(self.written(self._store.save, batch))
        writing.add_done_callback(lambda done: self._written(done, batch, changes, future))

    def _written(
        self, done: asyncio.Future[None], batch: Batch, changes: Changes, future: asyncio.Future[None]
    ) -> None:
        self._writing = None
        error = done.exception()
        if error:
            log.warning(event("store-failed", reason=reason_of(error)))
            self._give_up()
        if self.lost.is_set():
            _fail(future)
            return
        self._store.saved(batch)
        future.set_result(None)
        self._announce(changes)
        self._write_next()


def _fail(future: asyncio.Future[None]) -> asyncio.Future[None]:
    future.set_exception(StoreFailedError(NOT_STORED))
    future.exception()  # nobody may be waiting
    return future
