# SPDX-License-Identifier: BSD-3-Clause
"""The pool's database: what survives the pool.

Every method that writes is one transaction, committed (to the disk) when it returns. What only matters while
the pool runs, proofs of life and what workers hold, is not stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from bfkernel.remote.pool import migrations
from bfkernel.remote.pool.placement import Card, Server
from bfkernel.remote.pool.schema import gpus, leases, servers
from bfkernel.remote.records import Gpu, Holder, Lease, LeaseState, Placement, Share
from bfkernel.remote.state_dir import ConfigurationError

_LIVE = [state.value for state in LeaseState if state.live]
# : Added to every revision at a start: places in the queue are not stored, yet each has had a revision of its
# own.
_REVISION_STEP = 1 << 20
_CHANGING = ("revision", "state", "server", "placements", "code", "message", "granted_at", "ended_at")
_UPDATE = (
    leases.update()
    .where(leases.c.id == sa.bindparam("of"))
    .values({name: sa.bindparam(name) for name in _CHANGING})
)
_Row = dict[str, Any]


@dataclass
class Batch:
    """Rows to be stored together."""

    servers: list[tuple[_Row, list[_Row]]] = field(default_factory=list)
    new: list[_Row] = field(default_factory=list)
    old: list[_Row] = field(default_factory=list)
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

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def load(self) -> tuple[list[Server], list[Lease], int]:
        """Return the servers, the live leases and the last order of arrival.

        Each lease's revision is one that no client has seen.
        """
        with self._engine.begin() as connection:
            live = leases.c.state.in_(_LIVE)
            connection.execute(
                leases.update().where(live).values(revision=leases.c.revision + _REVISION_STEP)
            )
            found = [_lease(row) for row in connection.execute(sa.select(leases).where(live)).mappings()]
            known = [_server(row) for row in connection.execute(sa.select(servers)).mappings()]
            by_name = {server.name: server for server in known}
            for row in connection.execute(sa.select(gpus).order_by(gpus.c.index)).mappings():
                by_name[row["server"]].cards[row["id"]] = Card(Gpu(**row))
            last = connection.scalar(sa.select(sa.func.max(leases.c.sequence))) or 0
        self._stored = {lease.id for lease in found}
        return known, found, last

    def batch(self, changed: Iterable[Lease], changed_servers: Iterable[Server]) -> Batch:
        """Return what is to be stored: leases and servers as they are now, whatever happens next."""
        batch = Batch(
            [(_server_row(s), [_gpu_row(c.gpu) for c in s.cards.values()]) for s in changed_servers]
        )
        for lease in changed:
            row = _row(lease)
            if lease.id in self._stored:
                batch.old.append({"of": lease.id, **{key: row[key] for key in _CHANGING}})
            else:
                batch.new.append(row)
            (batch.live if lease.state.live else batch.ended).add(lease.id)
        return batch

    def save(self, batch: Batch) -> None:
        """Store a batch in one transaction. May be called on another thread than the rest, one at a time."""
        with self._engine.begin() as connection:
            for server, cards in batch.servers:
                _save_server(connection, server, cards)
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
        return _lease(row) if row else None

    def ended(self, user: str | None = None, limit: int = 1000) -> list[Lease]:
        """Return ended leases (of ``user`` only, if named), the newest first, ``limit`` at most."""
        query = sa.select(leases).where(leases.c.state.not_in(_LIVE))
        if user is not None:
            query = query.where(leases.c.user == user)
        query = query.order_by(leases.c.sequence.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_lease(row) for row in connection.execute(query).mappings()]

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


def _save_server(connection: sa.Connection, server: _Row, cards: list[_Row]) -> None:
    if not connection.execute(servers.update().where(servers.c.name == server["name"]), server).rowcount:
        connection.execute(servers.insert(), server)
    connection.execute(gpus.delete().where(gpus.c.server == server["name"]))
    if cards:
        connection.execute(gpus.insert(), cards)


def _server_row(server: Server) -> _Row:
    return {column.name: getattr(server, column.name) for column in servers.columns}


def _gpu_row(gpu: Gpu) -> _Row:
    return {column.name: getattr(gpu, column.name) for column in gpus.columns}


def _row(lease: Lease) -> _Row:
    holder = lease.holder
    return {
        "id": lease.id,
        "sequence": lease.sequence,
        "revision": lease.revision,
        "state": lease.state.value,
        "user": lease.user,
        "holder": {"kind": holder.kind, "name": holder.name, "host": holder.host, "pid": holder.pid},
        "fraction": lease.share.fraction,
        "asked_mib": lease.share.memory_mib,
        "gpu_count": lease.gpu_count,
        "server": lease.server,
        "placements": [[p.gpu, p.memory_mib] for p in lease.placements],
        "code": lease.code,
        "message": lease.message,
        "created_at": lease.created_at,
        "granted_at": lease.granted_at,
        "ended_at": lease.ended_at,
    }


def _lease(row: sa.RowMapping) -> Lease:
    return Lease(
        id=row["id"],
        user=row["user"],
        share=Share(row["fraction"], row["asked_mib"]),
        gpu_count=row["gpu_count"],
        holder=Holder(**row["holder"]),
        created_at=row["created_at"],
        sequence=row["sequence"],
        state=LeaseState(row["state"]),
        revision=row["revision"],
        server=row["server"],
        placements=_placements(row["placements"]),
        code=row["code"],
        message=row["message"],
        granted_at=row["granted_at"],
        ended_at=row["ended_at"],
    )


def _placements(pairs: Sequence[Sequence[Any]]) -> tuple[Placement, ...]:
    return tuple(Placement(gpu, mib) for gpu, mib in pairs)


def _server(row: sa.RowMapping) -> Server:
    return Server(**row)
