# SPDX-License-Identifier: BSD-3-Clause
"""What survives the pool."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from pool_story import Story

from bfkernel.remote.pool.core import PoolCore
from bfkernel.remote.pool.schema import metadata
from bfkernel.remote.pool.store import Store
from bfkernel.remote.records import LeaseState
from bfkernel.remote.state_dir import ConfigurationError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pool.sqlite"


def save(store: Store, core: PoolCore) -> None:
    changes = core.take_changes()
    batch = store.batch(changes.leases.values(), [core.servers[name] for name in changes.servers])
    store.save(batch)
    store.saved(batch)


def restored(store: Store, now: float) -> PoolCore:
    core = PoolCore(ttl_s=60)
    core.restore(now, *store.load())
    return core


def test_live_leases_come_back_as_they_were(path: Path, story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    pair, waiting, gone = story.ask(mib=900, gpus=2), story.ask(mib=900), story.ask(mib=900)
    story.server("gpu1", 1000, 1000, **{pair.id: 1})
    story.core.release(story.now, gone.id)
    store = Store.sqlite(path)
    save(store, story.core)
    store.close()

    core = restored(Store.sqlite(path), story.now + 500)
    assert set(core.leases) == {pair.id, waiting.id}
    again = core.leases[pair.id]
    assert (again.state, again.placements, again.server) == (LeaseState.ACTIVE, pair.placements, "gpu1")
    assert [card.free_mib for card in core.servers["gpu1"].cards.values()] == [100, 100]
    assert core.queue.position(core.leases[waiting.id]) == 1
    assert core.expires_in_s(story.now + 500, again) == 60


def test_every_revision_is_new_after_a_restart(path: Path, one_card: Story) -> None:
    lease = one_card.ask(0.5)
    store = Store.sqlite(path)
    save(store, one_card.core)
    first = restored(store, 0.0).leases[lease.id].revision
    second = restored(store, 0.0).leases[lease.id].revision
    assert lease.revision + 1000 < first
    assert first + 1000 < second


def test_ended_leases_are_found_and_stay_ended(path: Path, one_card: Story) -> None:
    store = Store.sqlite(path)
    mine, other = one_card.ask(0.5), one_card.ask(0.5, user="grace")
    save(store, one_card.core)
    for lease in (mine, other):
        one_card.core.release(one_card.now, lease.id)
    refused = one_card.ask(mib=1 << 30)
    save(store, one_card.core)
    assert restored(store, 0.0).leases == {}
    found = store.find(mine.id)
    assert found is not None
    assert (found.state, found.ended_at) == (LeaseState.RELEASED, one_card.now)
    assert [lease.id for lease in store.ended()] == [refused.id, other.id, mine.id]
    assert [lease.id for lease in store.ended("grace")] == [other.id]
    assert store.find("nothing") is None


def test_order_of_arrival_goes_on(path: Path, one_card: Story) -> None:
    store = Store.sqlite(path)
    lease = one_card.ask(0.5)
    one_card.core.release(one_card.now, lease.id)
    save(store, one_card.core)
    core = restored(store, 0.0)
    one_card.core = core
    assert one_card.ask(0.5).sequence > lease.sequence


def test_the_inventory_follows_the_report(path: Path, story: Story) -> None:
    store = Store.sqlite(path)
    story.server("gpu1", 1000, 2000)
    save(store, story.core)
    story.core.agent_left("gpu1", "a")
    story.server("gpu1", 3000, instance="b")
    save(store, story.core)
    server = restored(store, 0.0).servers["gpu1"]
    assert [card.gpu.memory_mib for card in server.cards.values()] == [3000]
    assert server.instance == "b"


def test_migrations_make_the_tables_that_the_code_knows(path: Path) -> None:
    Store.sqlite(path).close()
    engine = sa.create_engine(f"sqlite:///{path}")
    inspector = sa.inspect(engine)
    assert set(inspector.get_table_names()) == {*metadata.tables, "alembic_version"}
    for name, table in metadata.tables.items():
        made = {
            column["name"]: (str(column["type"]), column["nullable"])
            for column in inspector.get_columns(name)
        }
        known = {column.name: (str(column.type), column.nullable) for column in table.columns}
        assert made == known
        assert {i["name"] for i in inspector.get_indexes(name)} == {i.name for i in table.indexes}
    engine.dispose()


def test_a_newer_database_is_refused(path: Path) -> None:
    Store.sqlite(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="newer bfkernel"):
        Store.sqlite(path)


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"no database, surely" * 100)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Store.sqlite(path)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Store("nonsense")
