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
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from bfkernel.remote.messages import QuotaLimits
from bfkernel.remote.pool import migrations
from bfkernel.remote.pool.core import Card, Period, Quota, Server, Stored, UsedTime
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
from bfkernel.remote.pool.schema import gpus, leases, quotas, servers
from bfkernel.remote.records import Gpu, Lease, LeaseState
from bfkernel.remote.state_dir import ConfigurationError

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


@dataclass
class Batch:
    """Rows to be stored together."""

    servers: list[tuple[Row, list[Row]]] = field(default_factory=list)
    gone_servers: list[str] = field(default_factory=list)
    new: list[Row] = field(default_factory=list)
    old: list[Row] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


class Store:
    """Leases and servers in a database named by an SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        """Open the database and bring its tables up to date.

        Raises:
            ConfigurationError: it cannot be opened, or a newer pool has used it.
        """
        try:
            self._engine = _engine(url)
            self._migrate()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            msg = f"The database cannot be used: {reason}."
            raise ConfigurationError(msg) from error
        self._stored: set[str] = set()

    @classmethod
    def sqlite(cls, path: Path) -> Store:
        """Open, or make, a database file."""
        return cls(f"sqlite:///{path}")

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
        """Store a quota that was set at run time; None forgets it, so that the configuration's counts."""
        with self._engine.begin() as connection:
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
        """
        with self._engine.begin() as connection:
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
        """Store a batch in one transaction. May be called on another thread than the rest, one at a time."""
        with self._engine.begin() as connection:
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

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
        try:
            with self._engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            newest = ScriptDirectory.from_config(config).get_current_head()
            message = f"The database was made by a newer bfkernel; this one knows it up to version {newest}."
            raise ConfigurationError(message) from error


def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # WAL: readers do not wait for the writer; FULL: a commit is on the disk when it returns.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


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
