# SPDX-License-Identifier: BSD-3-Clause
"""A pool that starts again goes on as if it had not stopped."""

from __future__ import annotations

from pool_story import HOUR, Story, policy

from bfkernel.remote.pool.core import Ceiling, Policy, Quota, Quotas, Scope
from bfkernel.remote.records import Lease, LeaseState

GRANTED, ACTIVE, IDLE, QUEUED = LeaseState.GRANTED, LeaseState.ACTIVE, LeaseState.IDLE, LeaseState.QUEUED


def test_leases_places_and_books_are_kept(story: Story) -> None:
    story.server("gpu1", 1000, 2000)
    leases = [story.ask(0.5, gpus=2), story.ask(mib=300, user="bob"), story.ask(1.0, user="cleo")]
    free, order = story.free(), list(story.core.queue)
    scope = Ceiling(Scope("account", "ada"), Quota())
    held = story.core.tally(story.now, scope).hundredths
    story.restart(away_s=1000)
    assert list(story.core.leases.values()) == leases
    assert (story.free(), list(story.core.queue)) == (free, order)
    tally = story.core.tally(story.now, scope)
    assert (tally.hundredths, tally.rate) == (held, 100)
    assert story.ask(0.1).sequence == 4


def test_everybody_has_a_whole_ttl(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.restart(away_s=1000)
    one_card.now += 59
    one_card.core.tick(one_card.now)
    assert lease.state is GRANTED
    one_card.now += 1
    one_card.core.tick(one_card.now)
    assert lease.state is LeaseState.EXPIRED


def test_an_agent_may_take_its_name_after_a_restart(one_card: Story) -> None:
    one_card.restart()
    one_card.now += 1
    one_card.server(instance="b")


def test_numbers_of_ended_leases_are_not_given_again(story: Story) -> None:
    story.restart(sequence=41)
    assert story.ask(0.1).sequence == 42


def test_who_comes_after_a_restart_goes_behind_who_waited(story: Story) -> None:
    """Grants had come far before it; the one that still runs is old, and says nothing of that."""
    story.server("gpu1", 1000, 1000)
    story.ask(1.0, user="old")
    short = story.ask(1.0, user="u0")
    for n in range(1, 10):
        story.release(short)
        short = story.ask(1.0, user=f"u{n}")
    story.core.cordon(story.now, "gpu1", True)
    waiting = [story.ask(1.0, user="ada"), story.ask(1.0, user="ada")]
    story.release(short)
    story.restart()
    newcomer = story.ask(1.0, user="zoe")
    # As without the restart: zoe, who has nothing, comes between ada's first and second.
    assert list(story.core.queue) == [waiting[0], newcomer, waiting[1]]


# -- idleness and notices -------------------------------------------------------------------------------


def working() -> tuple[Story, Lease]:
    story = Story(policy(longest_idle_s=1800))
    story.server()
    lease = story.ask(0.5)
    story.jump(1000)
    story.work(lease)
    return story, lease


def test_a_lease_that_worked_is_not_idle_right_after_a_restart() -> None:
    """When it made its last call is not stored; its server has not told yet."""
    story, lease = working()
    for _ in range(5):
        story.jump(1000)
        story.work(lease)
    story.restart(away_s=10)
    story.jump(1)
    assert (lease.state, lease.notice) == (ACTIVE, "")
    story.jump(1799)
    assert lease.state is IDLE


def test_what_its_server_tells_of_the_last_call_counts_as_before() -> None:
    story, lease = working()
    story.jump(1500)
    story.restart(away_s=10)
    story.work(lease, called_ago_s=1510)
    story.jump(289)
    assert lease.state is ACTIVE
    story.jump(1)
    assert lease.state is IDLE


def test_an_idle_lease_stays_idle_and_has_a_whole_grace() -> None:
    story, lease = working()
    story.jump(1800)
    assert lease.state is IDLE
    story.restart(away_s=200)
    assert lease.state is IDLE
    assert "it goes back to the pool at" in lease.notice
    story.work(lease, called_ago_s=2000)
    story.jump(299)
    assert lease.state is IDLE
    story.jump(1)
    assert (lease.state, lease.code) == (LeaseState.REVOKED, "idle")


def test_work_while_the_pool_was_away_wakes_an_idle_lease() -> None:
    story, lease = working()
    story.jump(1800)
    story.restart(away_s=200)
    story.work(lease, called_ago_s=100)
    assert lease.state is ACTIVE


def test_a_drain_goes_on_and_is_told_again(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.core.drain(one_card.now, "gpu1", one_card.now + HOUR)
    one_card.restart(away_s=60)
    assert lease.notice == "GPU 0.5 ends at 09:00: GPU server gpu1 is taken out of service."
    assert one_card.ask(0.1).state is QUEUED
    one_card.jump(HOUR - 61)
    assert lease.state is GRANTED
    one_card.jump(1)
    assert lease.code == "drained"


def test_a_drain_that_was_due_meanwhile_is_done(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.core.drain(one_card.now, "gpu1", one_card.now + HOUR)
    one_card.restart(away_s=2 * HOUR)
    one_card.core.tick(one_card.now)
    assert lease.code == "drained"


def test_a_time_limit_that_passed_meanwhile_ends_the_lease() -> None:
    story = Story(policy(longest_lease_s=HOUR))
    story.server()
    lease = story.ask(0.5)
    story.restart(away_s=HOUR)
    story.core.tick(story.now)
    assert lease.code == "time-limit"


def test_memory_of_workers_that_the_pool_has_forgotten_is_not_given_out() -> None:
    story = Story()
    story.server()
    lease = story.ask(1.0)
    story.work(lease)
    story.release(lease)
    story.restart()
    story.server(**{lease.id: 1})
    waiting = story.ask(1.0)
    assert waiting.state is QUEUED
    story.server()
    assert waiting.state is GRANTED


def test_quotas_hold_for_what_was_restored() -> None:
    story = Story(Policy(quotas=Quotas(Quota(gpus=0.5))))
    story.server()
    story.ask(0.4)
    story.restart()
    assert story.ask(0.2).code == "quota"
    assert story.ask(0.1).state is GRANTED
