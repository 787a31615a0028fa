# SPDX-License-Identifier: BSD-3-Clause
"""The pool's database: what survives the pool.

Every method that writes is one transaction, committed (to the disk) when it returns. What only matters while
the pool runs, proofs of life and what workers hold, is not stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bfkernel.remote.messages import QuotaLimits
from bfkernel.remote.pool.core import Card, Period, Quota, Server, Stored, UsedTime
from bfkernel.remote.pool.database import open_database_file
from bfkernel.remote.pool.history import History
from bfkernel.remote.pool.quota_settings import QuotaName, limits_of, quota_of
from bfkernel.remote.pool.rows import (
    CHANGING,
    Row,
    changing_row,
    gpu_row,
    lease_of,
    lease_row,
    server_of,
    server_row,
)
from bfkernel.remote.pool.schema import gpus, leadership, leases, quotas, servers
from bfkernel.remote.records import Gpu, Lease, LeaseState

_LIVE = [state.value for state in LeaseState if state.live]
# : Added to every revision at a start: places in the queue are not stored, yet each has had a revision of its
# own.
_REVISION_STEP = 1 << 20
_REMEMBERED = 500
_UPDATE = (
    leases.update()
    .where(leases.c.id == sa.bindparam("of"))
    .values({name: sa.bindparam(name) for name in CHANGING})
)
_EPOCH = sa.select(leadership.c.epoch)


@dataclass
class Batch:
    """Rows to be stored together."""

    servers: list[tuple[Row, list[Row]]] = field(default_factory=list)
    gone_servers: list[str] = field(default_factory=list)
    new: list[Row] = field(default_factory=list)
    old: list[Row] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


class DeposedError(Exception):
    """Another replica of the pool has begun to decide; this one's decisions count no more."""


class Store:
    """Leases and servers in a database."""

    def __init__(self, engine: sa.Engine, epoch: int | None = None) -> None:
        """Use a database that :func:`open_database` opened.

        ``epoch`` counts the replicas that have decided: with it, nothing is read for decisions or written any
        more when a later one has begun. Without it, the caller is the only one.
        """
        self._engine = engine
        self._epoch = epoch
        self._stored: set[str] = set()

    @classmethod
    def sqlite(cls, path: Path) -> Store:
        """Open, or make, a database file."""
        return cls(open_database_file(path))

    @property
    def shared(self) -> bool:
        """Whether another replica may have begun to decide."""
        return self._epoch is not None

    @property
    def history(self) -> History:
        """What the database tells of the past."""
        return History(self._engine)

    def quotas(self) -> dict[QuotaName, Quota]:
        """Return the quotas that were set at run time."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(quotas)).mappings()
            return {
                QuotaName(row["kind"], row["name"]): quota_of(QuotaLimits.model_validate(row["limits"]))
                for row in rows
            }

    def set_quota(self, of: QuotaName, quota: Quota | None) -> None:
        """Store a quota that was set at run time; None forgets it, so that the configuration's counts.

        Raises:
            DeposedError: another replica decides by now; nothing was stored.
        """
        with self._engine.begin() as connection:
            self._lock_epoch(connection)
            connection.execute(quotas.delete().where(quotas.c.kind == of.kind, quotas.c.name == of.name))
            if quota is not None:
                limits = limits_of(quota).model_dump(exclude_none=True)
                connection.execute(quotas.insert(), {**of._asdict(), "limits": limits})

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def load(self, windows: Mapping[Period, float]) -> Stored:
        """Return what the core goes on from.

        ``windows`` are the starts of the current windows, in seconds since the epoch. Each lease's revision
        is one that no client has seen.

        Raises:
            DeposedError: another replica decides by now.
        """
        with self._engine.begin() as connection:
            self._lock_epoch(connection)
            live = leases.c.state.in_(_LIVE)
            connection.execute(
                leases.update().where(live).values(revision=leases.c.revision + _REVISION_STEP)
            )
            found = _leases(connection, sa.select(leases).where(live).order_by(leases.c.sequence))
            last = connection.scalar(sa.select(sa.func.max(leases.c.sequence))) or 0
            stored = Stored(
                _servers(connection), found, last, _durations(connection), _used(connection, windows)
            )
        self._stored = {lease.id for lease in found}
        return stored

    def batch(
        self, changed: Iterable[Lease], changed_servers: Iterable[Server], gone_servers: Iterable[str] = ()
    ) -> Batch:
        """Return what is to be stored: leases and servers as they are now, whatever happens next."""
        batch = Batch([(server_row(s), [gpu_row(c.gpu) for c in s.cards.values()]) for s in changed_servers])
        for lease in changed:
            if lease.id in self._stored:
                batch.old.append(changing_row(lease))
            else:
                batch.new.append(lease_row(lease))
            (batch.live if lease.state.live else batch.ended).add(lease.id)
        return batch

    def save(self, batch: Batch) -> None:
        """Store a batch in one transaction. May be called on another thread than the rest, one at a time.

        An empty batch only makes sure that no other replica decides.

        Raises:
            DeposedError: another replica decides by now; nothing was stored.
        """
        if not (batch.servers or batch.gone_servers or batch.new or batch.old):
            self._confirm_epoch()
            return
        with self._engine.begin() as connection:
            self._lock_epoch(connection)
            for server, cards in batch.servers:
                _save_server(connection, server, cards)
            for name in batch.gone_servers:
                connection.execute(gpus.delete().where(gpus.c.server == name))
                connection.execute(servers.delete().where(servers.c.name == name))
            if batch.new:
                connection.execute(leases.insert(), batch.new)
            if batch.old:
                connection.execute(_UPDATE, batch.old)

    def saved(self, batch: Batch) -> None:
        """Note that a batch was stored; the next one must not be made before."""
        self._stored |= batch.live
        self._stored -= batch.ended

    def find(self, lease_id: str) -> Lease | None:
        """Return a lease, live or ended, as it was stored last."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(leases).where(leases.c.id == lease_id)).mappings().first()
        return lease_of(row) if row else None

    def ended(self, user: str | None = None, limit: int = 1000) -> list[Lease]:
        """Return ended leases (of ``user`` only, if named), the newest first, ``limit`` at most."""
        query = sa.select(leases).where(leases.c.state.not_in(_LIVE))
        if user is not None:
            query = query.where(leases.c.user == user)
        query = query.order_by(leases.c.sequence.desc()).limit(limit)
        with self._engine.connect() as connection:
            return _leases(connection, query)

    def _lock_epoch(self, connection: sa.Connection) -> None:
        # The row stays locked until the transaction ends; a later replica writes it before it decides.
        self._check_epoch(connection, _EPOCH.with_for_update(read=True))

    def _confirm_epoch(self) -> None:
        # One statement on its own is one round trip.
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            self._check_epoch(connection, _EPOCH)

    def _check_epoch(self, connection: sa.Connection, query: sa.Select[Any]) -> None:
        if self._epoch is None:
            return
        newest = connection.scalar(query)
        if newest != self._epoch:
            msg = f"another replica decides (epoch {newest}, this one's is {self._epoch})"
            raise DeposedError(msg)


def _save_server(connection: sa.Connection, server: Row, cards: list[Row]) -> None:
    if not connection.execute(servers.update().where(servers.c.name == server["name"]), server).rowcount:
        connection.execute(servers.insert(), server)
    connection.execute(gpus.delete().where(gpus.c.server == server["name"]))
    if cards:
        connection.execute(gpus.insert(), cards)


def _leases(connection: sa.Connection, query: sa.Select[Any]) -> list[Lease]:
    return [lease_of(row) for row in connection.execute(query).mappings()]


def _servers(connection: sa.Connection) -> list[Server]:
    known = [server_of(row) for row in connection.execute(sa.select(servers)).mappings()]
    by_name = {server.name: server for server in known}
    for row in connection.execute(sa.select(gpus).order_by(gpus.c.index)).mappings():
        by_name[row["server"]].cards[row["id"]] = Card(Gpu(**row))
    return known


def _durations(connection: sa.Connection) -> list[float]:
    """Return how long the last ended leases lasted, the oldest first."""
    query = (
        sa.select(leases.c.ended_at - leases.c.granted_at)
        .where(leases.c.ended_at.is_not(None), leases.c.granted_at.is_not(None))
        .order_by(leases.c.ended_at.desc())
        .limit(_REMEMBERED)
    )
    return [float(seconds) for seconds in connection.scalars(query)][::-1]


def _used(connection: sa.Connection, windows: Mapping[Period, float]) -> list[UsedTime]:
    """Return what ended leases used since the starts of the windows."""
    account = (leases.c.user, leases.c.group, leases.c.group_named)
    used = []
    for period, start in windows.items():
        since = sa.case((leases.c.granted_at > start, leases.c.granted_at), else_=start)
        amount = sa.func.sum(leases.c.hundredths * (leases.c.ended_at - since))
        ended = sa.and_(leases.c.granted_at.is_not(None), leases.c.ended_at > start)
        query = sa.select(*account, amount).where(ended).group_by(*account)
        used += [UsedTime(u, g, bool(n), period, float(s)) for u, g, n, s in connection.execute(query)]
    return used
