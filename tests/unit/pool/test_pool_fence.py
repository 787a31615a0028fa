# SPDX-License-Identifier: BSD-3-Clause
"""What a replica that was overtaken can still do to the database: nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from bfkernel.remote.pool.core import Quota, Server
from bfkernel.remote.pool.database import open_database
from bfkernel.remote.pool.quota_settings import QuotaName
from bfkernel.remote.pool.rows import server_row
from bfkernel.remote.pool.store import Batch, DeposedError, Store
from tests.postgres import Cluster


def overtake(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE leadership SET epoch = epoch + 1")


@pytest.fixture
def engine(database_url: str) -> sa.Engine:
    engine = open_database(database_url)
    overtake(engine)  # the first replica has epoch 1
    return engine


def test_nothing_is_written_or_loaded_any_more(engine: sa.Engine) -> None:
    store = Store(engine, epoch=1)
    batch = Batch(servers=[(server_row(Server("gpu1", "gpu1:1", "a", 0.0)), [])])
    overtake(engine)
    attempts: list[Callable[[], object]] = [
        lambda: store.save(batch),
        lambda: store.save(Batch()),
        lambda: store.set_quota(QuotaName("users", "ada"), Quota()),
        lambda: store.load({}),
    ]
    for attempt in attempts:
        with pytest.raises(DeposedError, match=r"epoch 2, this one's is 1"):
            attempt()
    later = Store(engine, epoch=2)
    assert not later.load({}).servers
    assert not later.quotas()
    later.save(batch)
    assert [server.name for server in later.load({}).servers] == ["gpu1"]


def test_who_overtakes_waits_for_a_transaction_that_was_begun(postgres: Cluster) -> None:
    engine = open_database(postgres.new_database())
    overtake(engine)
    store = Store(engine, epoch=1)
    with engine.begin() as slow:
        store._lock_epoch(slow)
        overtaking = threading.Thread(target=overtake, args=[engine])
        overtaking.start()
        overtaking.join(0.3)
        assert overtaking.is_alive()
        slow.exec_driver_sql("UPDATE servers SET version = 'written in time'")
    overtaking.join(10)
    assert not overtaking.is_alive()
