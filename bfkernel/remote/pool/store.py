# SPDX-License-Identifier: BSD-3-Clause
"""The pool's database: what survives the pool.

Every method is one transaction, committed (to the disk) when it returns. What only matters while the pool
runs, proofs of life and what workers hold, is not stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
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

    def save(self, changed: Iterable[Lease], changed_servers: Iterable[Server]) -> None:
        """Store leases and servers as they are now."""
        rows = [_row(lease) for lease in changed]
        new = [row for row in rows if row["id"] not in self._stored]
        old = [
            {"of": row["id"], **{key: row[key] for key in _CHANGING}}
            for row in rows
            if row["id"] in self._stored
        ]
        with self._engine.begin() as connection:
            for server in changed_servers:
                _save_server(connection, server)
            if new:
                connection.execute(leases.insert(), new)
            if old:
                connection.execute(leases.update().where(leases.c.id == sa.bindparam("of")), old)
        for row in rows:
            if row["state"] in _LIVE:
                self._stored.add(row["id"])
            else:
                self._stored.discard(row["id"])

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


def _save_server(connection: sa.Connection, server: Server) -> None:
    facts = {key: getattr(server, key) for key in servers.c.keys()}  # noqa: SIM118 - a collection of columns
    if not connection.execute(servers.update().where(servers.c.name == server.name).values(facts)).rowcount:
        connection.execute(servers.insert().values(facts))
    connection.execute(gpus.delete().where(gpus.c.server == server.name))
    if server.cards:
        connection.execute(gpus.insert(), [asdict(card.gpu) for card in server.cards.values()])


def _row(lease: Lease) -> dict[str, Any]:
    return {
        "id": lease.id,
        "sequence": lease.sequence,
        "revision": lease.revision,
        "state": lease.state.value,
        "user": lease.user,
        "holder": asdict(lease.holder),
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
