# SPDX-License-Identifier: BSD-3-Clause
"""Servers that come, go, are cordoned, drained and forgotten, and what becomes of their leases."""

from __future__ import annotations

import pytest
from pool_story import CARD_MIB, HOUR, Story

from bfkernel.remote.pool.core import NameTakenError, Policy
from bfkernel.remote.records import LeaseState

GRANTED, QUEUED = LeaseState.GRANTED, LeaseState.QUEUED


# -- workers and agents ---------------------------------------------------------------------------------


def test_a_share_is_booked_until_its_workers_have_ended(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    one_card.server(**{lease.id: 2})
    one_card.release(lease)
    waiting = one_card.ask(1.0)
    assert waiting.state is QUEUED
    assert one_card.server(**{lease.id: 1}) == [lease.id]
    assert waiting.state is QUEUED
    assert one_card.server() == []
    assert waiting.state is GRANTED


def test_workers_that_are_heard_of_late_take_no_more_than_their_share(one_card: Story) -> None:
    """A share given back right after its program has started, as by a change of size."""
    lease = one_card.ask(0.25)
    one_card.release(lease)
    assert one_card.server(**{lease.id: 1}) == [lease.id]
    assert one_card.free() == [CARD_MIB * 3 // 4]
    other, whole = one_card.ask(0.5), one_card.ask(1.0)
    assert (other.state, whole.state) == (GRANTED, QUEUED)
    one_card.release(other)
    assert whole.state is QUEUED
    one_card.server()
    assert whole.state is GRANTED


def test_a_share_granted_anew_before_its_workers_are_heard_of_is_booked_twice(one_card: Story) -> None:
    first = one_card.ask(1.0)
    one_card.release(first)
    second = one_card.ask(1.0)
    one_card.server(**{first.id: 1})
    (card,) = one_card.core.servers["gpu1"].cards.values()
    assert (second.state, card.free_mib, card.leased_mib) == (GRANTED, -CARD_MIB, CARD_MIB)
    one_card.release(second)
    third = one_card.ask(0.5)
    assert third.state is QUEUED
    one_card.server()
    assert (third.state, one_card.free()) == (GRANTED, [CARD_MIB // 2])


def test_an_agent_that_starts_again_with_fewer_gpus_takes_no_lease_for_its_old_workers(story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    first = story.ask(mib=1000)
    story.release(first)
    second = story.ask(mib=1000)
    story.server("gpu1", 1000, 1000, **{first.id: 1})
    story.agent_ends()
    story.server("gpu1", 1000, instance="b")
    assert (second.state, story.free()) == (GRANTED, [0])


def test_an_agent_that_starts_again_keeps_its_leases(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    one_card.server(**{lease.id: 1})
    one_card.agent_ends()
    one_card.server(instance="b")
    assert (lease.state, lease.workers) == (LeaseState.ACTIVE, 0)


def test_a_running_agent_keeps_its_name(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    with pytest.raises(NameTakenError, match="Another agent named 'gpu1' is running"):
        one_card.server("gpu1", 500, instance="b")
    one_card.core.agent_left(one_card.now, "gpu1", "an earlier one")
    one_card.now += 1
    with pytest.raises(NameTakenError):
        one_card.server(instance="b")
    one_card.agent_ends()
    one_card.server()
    with pytest.raises(NameTakenError):
        one_card.server(instance="b")
    assert lease.state is GRANTED
    one_card.now += 11
    one_card.server(instance="b")


def test_an_agent_that_closes_its_connection_to_report_news_keeps_its_name(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    one_card.core.agent_left(one_card.now, "gpu1", "a")
    one_card.now += 0.9
    with pytest.raises(NameTakenError):
        one_card.server("gpu1", 500, instance="b")
    one_card.server()
    assert lease.state is GRANTED


def test_a_gpu_that_is_gone_takes_its_leases_along(story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    leases = [story.ask(mib=1000), story.ask(mib=1000)]
    story.server("gpu1", 1000)
    assert [lease.state for lease in leases] == [GRANTED, LeaseState.REVOKED]
    assert (leases[1].code, leases[1].message) == (
        "gpu-gone",
        "A GPU of the lease is no longer on server gpu1.",
    )
    assert story.free() == [0]


def test_a_gpu_that_shrinks_keeps_what_still_fits(story: Story) -> None:
    story.server("gpu1", 1000)
    leases = [story.ask(mib=400), story.ask(mib=400)]
    story.server("gpu1", 500)
    assert sorted(lease.state.value for lease in leases) == ["granted", "revoked"]
    assert story.free() == [100]


def test_a_new_gpu_is_used_at_once(story: Story) -> None:
    story.server("gpu1", 1000)
    story.ask(1.0)
    waiting = story.ask(1.0)
    story.server("gpu1", 1000, 1000)
    assert waiting.state is GRANTED


def test_a_new_address_reaches_the_holders(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    revision = lease.revision
    one_card.core.take_changes()
    one_card.report(driver_version="580.1")
    changes = one_card.core.take_changes()
    assert (set(changes.leases), changes.servers) == ({lease.id}, {"gpu1"})
    assert lease.revision == revision + 1


# -- silence --------------------------------------------------------------------------------------------


def test_a_lost_server_ends_its_leases_after_the_ttl(story: Story) -> None:
    story.server("gpu1", 1000)
    story.server("gpu2", 1000)
    first = story.ask(mib=1000)
    assert first.server == "gpu1"
    story.later(15, alive=(first.id,), servers=("gpu2",))
    assert not story.core.servers["gpu1"].present
    assert story.ask(mib=1000).server == "gpu2"
    story.later(50, alive=(first.id,), servers=("gpu2",))
    assert (first.state, first.code) == (LeaseState.EXPIRED, "server-lost")
    assert first.message == "GPU server gpu1 has not answered for 1 min."


def test_a_server_that_returns_first_ends_what_is_over(story: Story) -> None:
    """Its memory is still taken by workers that the pool has written off."""
    story.server("gpu1", 1000)
    lease = story.ask(mib=1000)
    story.later(65, alive=(lease.id,), servers=())
    waiting = story.ask(mib=1000)
    assert story.server("gpu1", 1000, **{lease.id: 1}) == [lease.id]
    assert (lease.state, waiting.state) == (LeaseState.EXPIRED, QUEUED)
    assert story.server("gpu1", 1000) == []
    assert waiting.state is GRANTED


def test_a_server_that_returns_in_time_keeps_its_leases(story: Story) -> None:
    story.server("gpu1", 1000)
    lease = story.ask(0.5)
    story.later(50, alive=(lease.id,), servers=())
    assert not story.core.servers["gpu1"].present
    assert story.ask(0.5).state is QUEUED
    assert story.server("gpu1", 1000, **{lease.id: 1}) == []
    assert (lease.state, len(story.core.queue)) == (LeaseState.ACTIVE, 0)


def test_the_grace_is_the_pools() -> None:
    story = Story(Policy(grace_s=600))
    story.server()
    lease = story.ask(0.5)
    story.later(599, alive=(lease.id,), servers=())
    assert lease.state is GRANTED
    story.later(2, alive=(lease.id,), servers=())
    assert lease.code == "server-lost"


# -- cordon, drain, forget ------------------------------------------------------------------------------


def test_a_cordoned_server_keeps_its_leases_and_takes_no_new_ones(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.core.cordon(one_card.now, "gpu1", True)
    waiting = one_card.ask(0.5)
    one_card.jump(HOUR)
    assert (lease.state, waiting.state, lease.notice) == (GRANTED, QUEUED, "")
    one_card.core.cordon(one_card.now, "gpu1", False)
    assert waiting.state is GRANTED


def test_a_drain_tells_holders_and_ends_their_leases_in_time(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.core.take_changes()
    one_card.core.drain(one_card.now, "gpu1", one_card.now + HOUR)
    assert lease.notice == "GPU 0.5 ends at 09:00: GPU server gpu1 is taken out of service."
    changes = one_card.core.take_changes()
    assert (set(changes.leases), changes.servers, changes.moved) == ({lease.id}, {"gpu1"}, True)
    assert one_card.ask(0.5).state is QUEUED
    one_card.jump(HOUR - 1)
    assert lease.state is GRANTED
    one_card.jump(1)
    assert (lease.state, lease.code) == (LeaseState.REVOKED, "drained")
    assert lease.message == (
        "GPU server gpu1 was taken out of service: restart the kernel to ask for a new share."
    )
    assert len(one_card.core.queue) == 1


@pytest.mark.parametrize("cordoned", [True, False])
def test_a_drain_can_be_taken_back(one_card: Story, cordoned: bool) -> None:
    lease = one_card.ask(0.5)
    one_card.core.drain(one_card.now, "gpu1", one_card.now + HOUR)
    server = one_card.core.cordon(one_card.now, "gpu1", cordoned)
    assert (lease.notice, server.drain_at, server.cordoned) == ("", None, cordoned)
    one_card.jump(2 * HOUR)
    assert lease.state is GRANTED


def test_a_drain_frees_what_was_kept_for_one_that_can_only_run_there() -> None:
    story = Story()
    story.server("big", 2000, 2000)
    story.server("small", 1000)
    story.ask(mib=1500, user="t0")
    story.ask(mib=900, user="t0")
    pair = story.ask(mib=1500, gpus=2, user="ada")
    small = []
    while not small or small[-1].state is GRANTED:
        small.append(story.ask(mib=100, user="t0"))
        assert len(small) < 30
    # What is left of the big server is kept for the pair, until there is no hope of it.
    story.core.drain(story.now, "big", story.now + HOUR)
    story.release(small[0])
    assert (pair.state, story.core.servable(pair)) == (QUEUED, False)
    assert small[-1].state in (GRANTED, QUEUED)


def test_a_server_is_forgotten_when_it_is_gone(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    with pytest.raises(ValueError, match="GPU server gpu1 is connected: stop its agent first"):
        one_card.core.forget_server(one_card.now, "gpu1")
    one_card.later(30, alive=(lease.id,), servers=())
    one_card.core.drain(one_card.now, "gpu1", one_card.now + HOUR)
    one_card.core.forget_server(one_card.now, "gpu1")
    assert (lease.state, lease.code) == (LeaseState.EXPIRED, "server-lost")
    assert lease.message == "GPU server gpu1 has not answered for 30 s."
    assert not one_card.core.servers
    # One of its name that comes later is another one: no drain waits for it.
    one_card.server()
    again = one_card.ask(0.5)
    one_card.jump(2 * HOUR)
    assert again.state is GRANTED


@pytest.mark.parametrize("event", ["cordon", "drain", "forget_server"])
def test_there_must_be_such_a_server(one_card: Story, event: str) -> None:
    arguments = {"cordon": [True], "drain": [one_card.now], "forget_server": []}[event]
    with pytest.raises(KeyError):
        getattr(one_card.core, event)(one_card.now, "gpu9", *arguments)
