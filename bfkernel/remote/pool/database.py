# SPDX-License-Identifier: BSD-3-Clause
"""The pool's database, opened and brought up to date: SQLite for one process, PostgreSQL for replicas."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from bfkernel.remote.logs import reason_of
from bfkernel.remote.pool import migrations
from bfkernel.remote.state_dir import ConfigurationError

_PSYCOPG = "postgresql+psycopg"
_SQLITE = ("sqlite", "sqlite+pysqlite")
#: idle_session_timeout came with 14.
_OLDEST_POSTGRESQL = (14,)
#: Advisory lock: who makes or changes tables and keys does so alone.
_CHANGE_LOCK = 0x6266_6B63
#: A connection whose other end has vanished is noticed within about 15 s: on this side …
_OUR_KEEPALIVE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}
#: … and on the server's.
_THEIR_KEEPALIVE = {
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "3s",
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": "15s",
}
#: A replica that stops in the midst of a transaction must not hold up the next one.
_SHORT_TRANSACTIONS: dict[str, object] = {"idle_in_transaction_session_timeout": "10s", "lock_timeout": "10s"}


def open_database(url: str) -> sa.Engine:
    """Open the database that an SQLAlchemy URL names and bring its tables up to date.

    ``postgresql://`` means psycopg 3, as ``postgresql+psycopg://`` does.

    Raises:
        ConfigurationError: it cannot be opened, or a newer pool has used it.
    """
    try:
        parsed = _parse(url)
        engine = _engine(parsed)
        if has_replicas(engine):
            _migrate(engine)
        else:
            # Not with foreign keys on: SQLite makes a table anew to change it.
            bare = sa.create_engine(parsed)
            _migrate(bare)
            bare.dispose()
    except ModuleNotFoundError as error:
        msg = f"The Python module '{error.name}' is missing: run 'pip install bfkernel[postgresql]'."
        raise ConfigurationError(msg) from error
    except sa.exc.SQLAlchemyError as error:
        reason = reason_of(getattr(error, "orig", None) or error).rstrip(".")
        msg = f"The database cannot be used: {reason}."
        raise ConfigurationError(msg) from error
    return engine


def open_database_file(path: Path) -> sa.Engine:
    """Open, or make, an SQLite file, which only its owner may read: it holds the grants' key."""
    path.touch(mode=0o600)
    return open_database(f"sqlite:///{path}")


def has_replicas(engine: sa.Engine) -> bool:
    """Whether several pools may use the database at once."""
    return engine.dialect.name == "postgresql"


def psycopg_arguments(url: sa.URL, **settings: object) -> dict[str, Any]:
    """Return psycopg's arguments for a connection to PostgreSQL with these settings of its session."""
    _, arguments = url.get_dialect()().create_connect_args(url)
    return {**arguments, **_session(url, settings)}


@contextmanager
def changing_alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a transaction that no other replica's of this kind overlaps."""
    with engine.begin() as connection:
        if has_replicas(engine):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CHANGE_LOCK)))
        yield connection


def _parse(text: str) -> sa.URL:
    url = sa.make_url(text)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername=_PSYCOPG)
    if url.drivername not in (_PSYCOPG, *_SQLITE):
        msg = f"The pool cannot use a database of '{url.drivername}': name a postgresql:// or sqlite:// URL."
        raise ConfigurationError(msg)
    return url


def _engine(url: sa.URL) -> sa.Engine:
    if url.drivername == _PSYCOPG:
        return sa.create_engine(url, connect_args=_session(url, _SHORT_TRANSACTIONS))
    engine = sa.create_engine(url)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _session(url: sa.URL, settings: dict[str, object]) -> dict[str, Any]:
    own = " ".join(f"-c {name}={value}" for name, value in {**_THEIR_KEEPALIVE, **settings}.items())
    asked = url.query.get("options", "")
    options = f"{asked if isinstance(asked, str) else ' '.join(asked)} {own}".strip()
    return {"application_name": "bfkernel pool", **_OUR_KEEPALIVE, "options": options}


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # WAL: readers do not wait for the writer; FULL: a commit is on the disk when it returns.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    try:
        with changing_alone(engine) as connection:
            _check_version(engine)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        newest = ScriptDirectory.from_config(config).get_current_head()
        message = f"The database was made by a newer bfkernel; this one knows it up to version {newest}."
        raise ConfigurationError(message) from error


def _check_version(engine: sa.Engine) -> None:
    if has_replicas(engine) and (engine.dialect.server_version_info or ()) < _OLDEST_POSTGRESQL:
        msg = f"The pool needs PostgreSQL {_OLDEST_POSTGRESQL[0]} or newer."
        raise ConfigurationError(msg)
