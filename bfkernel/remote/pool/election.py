# SPDX-License-Identifier: BSD-3-Clause
"""The election among replicas on PostgreSQL: who holds an advisory lock decides.

Each replica waits for the lock on a connection of its own; PostgreSQL hands it on when the holder's
connection ends. The new holder counts up the epoch in the table ``leadership``, which makes ``Store`` refuse
whatever an earlier one still writes, and notifies the others of its address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import sqlalchemy as sa

from bfkernel.remote.logs import event, reason_of
from bfkernel.remote.pool.clock import PoolClock
from bfkernel.remote.pool.database import psycopg_arguments
from bfkernel.remote.pool.leadership import ElectionError, Leader, Leaders, Term

log = logging.getLogger("pool.election")

#: The advisory lock: PostgreSQL keeps these apart by database, so two pools do not meet.
_LEADER_LOCK = 0x6266_6B6C
_CHANNEL = "bfkernel_leader"
_RETRY_S = 1.0
#: A leader shows PostgreSQL that it lives this often …
_PROOF_EVERY_S = 3.0
_PROOF_LIMIT_S = 10.0
#: … else the lock is taken from it: its process hangs, or its machine has vanished.
_LOCK_SESSION = {
    "idle_session_timeout": "15s",
    "client_connection_check_interval": "5s",
    "lock_timeout": 0,
    "statement_timeout": 0,
}
_BEGIN_TERM = """
    UPDATE leadership SET epoch = epoch + 1, url = %s, since = extract(epoch FROM clock_timestamp())
    RETURNING epoch, since, pg_notify(%s, epoch || ' ' || url)
"""


class PostgresElection:
    """One replica's part in the election."""

    contested = True

    def __init__(self, url: sa.URL, advertised: str, leaders: Leaders) -> None:
        """``advertised`` is where the other replicas reach this one; ``leaders`` is told what is heard."""
        self._url = url
        self._advertised = advertised
        self._leaders = leaders

    @asynccontextmanager
    async def term(self) -> AsyncIterator[Term]:
        """Wait for the lock, for as long as it takes, and keep it until the context ends."""
        try:
            connection = await self._connect(**_LOCK_SESSION)
        except psycopg.Error as error:
            raise ElectionError(reason_of(error)) from error
        try:
            yield await self._win(connection)
        finally:
            await connection.close()

    async def listen(self) -> None:
        """Hear of each new leader; after a loss of the connection, look who decides by now."""
        while True:
            try:
                connection = await self._connect()
                try:
                    await self._hear(connection)
                finally:
                    await connection.close()
            except psycopg.Error as error:
                log.warning(event("not-listening", reason=reason_of(error)))
            await asyncio.sleep(_RETRY_S)

    async def _connect(self, **settings: object) -> psycopg.AsyncConnection[tuple[object, ...]]:
        arguments = psycopg_arguments(self._url, **settings)
        return await psycopg.AsyncConnection.connect(**arguments, autocommit=True)

    async def _win(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> Term:
        try:
            await connection.execute("SELECT pg_advisory_lock(%s)", [_LEADER_LOCK])
            cursor = await connection.execute(_BEGIN_TERM, [self._advertised, _CHANNEL])
            row = await cursor.fetchone()
        except psycopg.Error as error:
            raise ElectionError(reason_of(error)) from error
        assert row  # noqa: S101 - the first migration of the table put it there
        epoch, now = int(str(row[0])), float(str(row[1]))
        # The database's clock, so that what one replica dates another one understands.
        return Term(epoch, epoch, PoolClock(now), lambda: _lost(connection))

    async def _hear(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        await connection.execute(f"LISTEN {_CHANNEL}")
        cursor = await connection.execute("SELECT epoch || ' ' || url FROM leadership")
        if row := await cursor.fetchone():
            self._take(str(row[0]))
        async for notification in connection.notifies():
            self._take(notification.payload)

    def _take(self, news: str) -> None:
        epoch, url = news.split(" ", 1)
        if url == self._advertised:
            # Where it is itself in this a replica knows; but a leader of before is one no more.
            if int(epoch) > self._leaders.current.epoch:
                self._leaders.learn(Leader(int(epoch), None))
        else:
            self._leaders.learn(Leader(int(epoch), url or None))


async def _lost(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Return when the connection, and the lock with it, is lost."""
    try:
        while True:
            # Nothing is listened for here: this waits, and ends at once when the connection does.
            async for _ in connection.notifies(timeout=_PROOF_EVERY_S):
                pass
            await asyncio.wait_for(connection.execute("SELECT 1"), _PROOF_LIMIT_S)
    except (psycopg.Error, asyncio.TimeoutError) as error:
        log.warning(event("lock-lost", reason=reason_of(error)))
