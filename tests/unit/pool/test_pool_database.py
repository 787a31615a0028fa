# SPDX-License-Identifier: BSD-3-Clause
"""The pool's database: made, upgraded, refused."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from bfkernel.remote.pool import migrations
from bfkernel.remote.pool.core import Period
from bfkernel.remote.pool.database import open_database
from bfkernel.remote.pool.schema import metadata
from bfkernel.remote.pool.store import Store
from bfkernel.remote.records import LeaseState
from bfkernel.remote.state_dir import ConfigurationError
from tests.postgres import Cluster

#: As a pool of the first version stored them: a server, and a lease each that holds, waits and has ended.
FIRST_ROWS = """
INSERT INTO servers VALUES ('gpu1', 'gpu1:56001', 'a', 'libcuda.so.1', '0.1.0', 1000.5);
INSERT INTO gpus VALUES ('gpu1', 'GPU-0', 0, 'Test GPU', 32768, true);
INSERT INTO leases VALUES ('held', 1, 3, 'active', 'ada',
  '{"kind": "kernel", "name": "a.ipynb", "host": "h", "pid": 7}',
  0.5, NULL, 1, 'gpu1', '[["GPU-0", 16384]]', '', '', 1000.0, 1000.0, NULL);
INSERT INTO leases VALUES ('waiting', 2, 1, 'queued', 'bob',
  '{"kind": "", "name": "", "host": "", "pid": null}',
  NULL, 32768, 1, NULL, '[]', '', '', 1001.0, NULL, NULL);
INSERT INTO leases VALUES ('gone', 3, 3, 'released', 'ada',
  '{"kind": "", "name": "", "host": "", "pid": null}',
  0.5, NULL, 1, 'gpu1', '[["GPU-0", 16384]]', 'released', 'The lease was released.', 1002.0, 1002.0, 1003.0);
"""


def make_first_version(url: str) -> None:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_ROWS.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()


def test_migrations_make_the_tables_that_the_code_knows(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_first_version_is_upgraded_and_nothing_is_lost(database_url: str) -> None:
    make_first_version(database_url)
    engine = open_database(database_url)
    stored = Store(engine).load({Period.DAY: 0.0})
    assert {lease.id: lease.state for lease in stored.leases} == {
        "held": LeaseState.ACTIVE,
        "waiting": LeaseState.QUEUED,
    }
    held = next(lease for lease in stored.leases if lease.id == "held")
    assert (held.user, held.holder.name, held.memory_mib, held.server) == ("ada", "a.ipynb", 16384, "gpu1")
    assert [(server.name, list(server.cards)) for server in stored.servers] == [("gpu1", ["GPU-0"])]
    assert stored.sequence == 3
    assert [(used.user, used.hundredth_seconds) for used in stored.used] == [("ada", 50.0)]
    assert [row.user for row in Store(engine).history.usage("user", 0.0, 2000.0, 2000.0, None)] == ["ada"]
    assert [lease.message for lease in Store(engine).ended()] == ["The lease was released."]
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_newer_database_is_refused(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(ConfigurationError, match="newer bfkernel"):
        open_database(database_url)


def test_replicas_that_start_at_once_make_the_tables_once(postgres: Cluster) -> None:
    url = postgres.new_database()
    failures: list[Exception] = []

    def start() -> None:
        try:
            open_database(url).dispose()
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "cannot be used"),
        ("mysql://root@localhost/pool", "cannot use a database of 'mysql'"),
        ("postgresql+asyncpg://localhost/pool", "name a postgresql://"),
        ("postgresql://nobody@127.0.0.1:1/pool", "cannot be used: .*refused"),
    ],
)
def test_what_is_no_database_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        open_database(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pool.sqlite"
    path.write_bytes(b"no database, surely" * 100)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Store.sqlite(path)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"'pip install bfkernel\[postgresql\]'"):
        open_database("postgresql://127.0.0.1:1/pool")
