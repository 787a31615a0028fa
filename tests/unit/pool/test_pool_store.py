# SPDX-License-Identifier: BSD-3-Clause
"""What survives the pool."""

from __future__ import annotations

from pathlib import Path

from pool_story import Story

from bfkernel.remote.pool.core import PoolCore
from bfkernel.remote.pool.database import open_database
from bfkernel.remote.pool.store import Store
from bfkernel.remote.records import LeaseState


def opened(url: str) -> Store:
    return Store(open_database(url))


def save(store: Store, core: PoolCore) -> None:
    changes = core.take_changes()
    batch = store.batch(changes.leases.values(), [core.servers[name] for name in changes.servers])
    store.save(batch)
    store.saved(batch)


def restored(store: Store, now: float) -> PoolCore:
    core = PoolCore()
    core.restore(now, store.load({}))
    return core


def test_live_leases_come_back_as_they_were(database_url: str, story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    pair, waiting, gone = story.ask(mib=900, gpus=2), story.ask(mib=900), story.ask(mib=900)
    story.server("gpu1", 1000, 1000, **{pair.id: 1})
    story.core.release(story.now, gone.id)
    store = opened(database_url)
    save(store, story.core)
    store.close()

    core = restored(opened(database_url), story.now + 500)
    assert set(core.leases) == {pair.id, waiting.id}
    again = core.leases[pair.id]
    assert (again.state, again.placements, again.server) == (LeaseState.ACTIVE, pair.placements, "gpu1")
    assert [card.free_mib for card in core.servers["gpu1"].cards.values()] == [100, 100]
    assert core.queue.position(core.leases[waiting.id]) == 1
    assert core.expires_in_s(story.now + 500, again) == 60


def test_every_revision_is_new_after_a_restart(database_url: str, one_card: Story) -> None:
    lease = one_card.ask(0.5)
    store = opened(database_url)
    save(store, one_card.core)
    first = restored(store, 0.0).leases[lease.id].revision
    second = restored(store, 0.0).leases[lease.id].revision
    assert lease.revision + 1000 < first
    assert first + 1000 < second


def test_ended_leases_are_found_and_stay_ended(database_url: str, one_card: Story) -> None:
    store = opened(database_url)
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


def test_order_of_arrival_goes_on(database_url: str, one_card: Story) -> None:
    store = opened(database_url)
    lease = one_card.ask(0.5)
    one_card.core.release(one_card.now, lease.id)
    save(store, one_card.core)
    core = restored(store, 0.0)
    one_card.core = core
    assert one_card.ask(0.5).sequence > lease.sequence


def test_the_inventory_follows_the_report(database_url: str, story: Story) -> None:
    store = opened(database_url)
    story.server("gpu1", 1000, 2000)
    save(store, story.core)
    story.agent_ends()
    story.server("gpu1", 3000, instance="b")
    save(store, story.core)
    server = restored(store, 0.0).servers["gpu1"]
    assert [card.gpu.memory_mib for card in server.cards.values()] == [3000]
    assert server.instance == "b"


def test_the_databases_file_is_private(tmp_path: Path) -> None:
    Store.sqlite(tmp_path / "pool.sqlite").close()
    assert (tmp_path / "pool.sqlite").stat().st_mode & 0o777 == 0o600
