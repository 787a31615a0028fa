# SPDX-License-Identifier: BSD-3-Clause
"""What time does: proof of life, the longest lease, the longest queue, idleness, and the notices before."""

from __future__ import annotations

import dataclasses

import pytest
from pool_story import HOUR, Story, policy, report_of

from bfkernel.remote.pool.core import Policy, PoolCore, Quota, Quotas, Times
from bfkernel.remote.records import Lease, LeaseState

GRANTED, ACTIVE, IDLE = LeaseState.GRANTED, LeaseState.ACTIVE, LeaseState.IDLE


# -- proof of life --------------------------------------------------------------------------------------


def test_heartbeats_keep_a_lease_and_silence_ends_it(one_card: Story) -> None:
    kept, silent = one_card.ask(0.5), one_card.ask(0.5)
    one_card.later(59, alive=(kept.id,))
    assert silent.state is GRANTED
    assert one_card.core.expires_in_s(one_card.now, silent) == 1
    one_card.later(1, alive=(kept.id,))
    assert (kept.state, silent.state, silent.code) == (GRANTED, LeaseState.EXPIRED, "no-proof")
    assert silent.message == "Nobody proved for 60 s that the lease is in use."
    assert one_card.free() == [16384]


def test_a_queued_lease_needs_proof_as_well(one_card: Story) -> None:
    holder, waiting = one_card.ask(1.0), one_card.ask(1.0)
    one_card.later(61, alive=(holder.id,))
    assert waiting.state is LeaseState.EXPIRED
    assert len(one_card.core.queue) == 0


def test_an_open_data_connection_is_proof(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    for _ in range(20):
        one_card.now += 10
        one_card.server(**{lease.id: 1})
        one_card.core.tick(one_card.now)
    assert lease.state is ACTIVE
    one_card.later(61)
    assert lease.state is LeaseState.EXPIRED


def test_a_connection_between_two_reports_counts(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    report = dataclasses.replace(report_of(), ended=[lease.id, "unknown"])
    one_card.core.report(one_card.now, report)
    assert (lease.state, lease.workers) == (ACTIVE, 0)


def test_after_a_time_without_the_pool_nobody_expires(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.now += 1000
    one_card.core.resume(one_card.now)
    one_card.core.tick(one_card.now)
    assert lease.state is GRANTED


def test_the_ttl_is_the_pools(story: Story) -> None:
    story = Story(Policy(Times(ttl_s=5)))
    story.server()
    lease = story.ask(0.5)
    story.jump(0)
    story.now += 5
    story.core.tick(story.now)
    assert lease.state is LeaseState.EXPIRED


# -- longest queue, longest lease -----------------------------------------------------------------------


def test_the_longest_queue_refuses() -> None:
    story = Story(policy(longest_queue_s=90 * 60))
    story.server()
    story.ask(1.0, user="teacher")
    waiting = story.ask(0.5)
    story.jump(90 * 60 - 1)
    assert waiting.state is LeaseState.QUEUED
    story.jump(1)
    assert (waiting.state, waiting.code) == (LeaseState.REFUSED, "queue-limit")
    assert waiting.message == (
        "No share of GPU 0.5 became free within 90 min: try again later, or ask for less."
    )


def test_the_longest_queue_does_not_count_once_granted() -> None:
    story = Story(policy(longest_queue_s=60))
    story.server()
    lease = story.ask(0.5)
    story.jump(HOUR)
    assert lease.state is GRANTED


def test_the_longest_lease_is_told_of_and_ends() -> None:
    story = Story(policy(longest_lease_s=2 * HOUR))
    story.server()
    lease = story.ask(0.5)
    story.jump(2 * HOUR - 301)
    assert lease.notice == ""
    before = lease.revision
    story.core.take_changes()
    story.jump(1)
    assert lease.notice == "GPU 0.5 ends at 10:00: a lease lasts 2 h at most."
    assert (lease.revision, set(story.core.take_changes().leases)) == (before + 1, {lease.id})
    story.jump(299)
    assert lease.state is GRANTED
    story.jump(1)
    assert (lease.state, lease.code, lease.notice) == (LeaseState.EXPIRED, "time-limit", "")
    assert lease.message == "The lease reached its limit of 2 h: restart the kernel to ask for a new one."


def test_the_longest_lease_counts_from_the_grant() -> None:
    story = Story(policy(longest_lease_s=HOUR))
    story.server()
    holder = story.ask(1.0, user="teacher")
    waiting = story.ask(0.5)
    story.jump(HOUR / 2)
    story.release(holder)
    story.jump(HOUR / 2)
    assert waiting.state is GRANTED
    story.jump(HOUR / 2)
    assert waiting.state is LeaseState.EXPIRED


# -- idleness -------------------------------------------------------------------------------------------


def idle_story(**quota: float) -> tuple[Story, Lease]:
    """A lease that made its last call half an hour ago, which is as long as it may be quiet."""
    story = Story(policy(longest_idle_s=1800, **quota))
    story.server()
    lease = story.ask(0.5)
    story.work(lease)
    assert lease.state is ACTIVE
    story.jump(1799)
    assert lease.state is ACTIVE
    story.jump(1)
    return story, lease


def test_a_quiet_lease_is_told_and_then_revoked() -> None:
    story, lease = idle_story()
    assert lease.state is IDLE
    assert lease.notice == (
        "GPU 0.5 has done no GPU work for 30 min: it goes back to the pool at 08:35 unless it is used."
    )
    story.jump(299)
    assert lease.state is IDLE
    story.jump(1)
    assert (lease.state, lease.code) == (LeaseState.REVOKED, "idle")
    assert lease.message == (
        "GPU 0.5 did no GPU work for 35 min and went back to the pool: "
        "restart the kernel to ask for a new share."
    )


def test_gpu_work_wakes_an_idle_lease() -> None:
    story, lease = idle_story()
    story.jump(60)
    revision = lease.revision
    story.work(lease)
    assert (lease.state, lease.notice, lease.idle_until) == (ACTIVE, "", None)
    assert lease.revision > revision
    story.jump(1799)
    assert lease.state is ACTIVE
    story.jump(1)
    assert lease.state is IDLE


def test_neither_heartbeats_nor_open_connections_wake_it() -> None:
    story, lease = idle_story()
    story.core.heartbeat(story.now, lease.id)
    story.work(lease, called_ago_s=1800)
    assert lease.state is IDLE


def test_news_of_a_call_that_was_long_ago_does_not_wake_it() -> None:
    story, lease = idle_story()
    story.jump(100)
    story.work(lease, called_ago_s=1850)
    assert lease.state is IDLE


def test_a_lease_that_never_connects_is_idle_from_its_grant() -> None:
    story = Story(policy(longest_idle_s=60))
    story.server()
    lease = story.ask(0.5)
    story.jump(60)
    assert lease.state is IDLE
    story.work(lease)
    assert lease.state is ACTIVE


def test_work_that_goes_on_is_never_idle() -> None:
    story = Story(policy(longest_idle_s=60))
    story.server()
    lease = story.ask(0.5)
    for _ in range(20):
        story.jump(50)
        story.work(lease)
        assert lease.state is ACTIVE


def test_without_an_idle_limit_nothing_is_idle(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.jump(100 * HOUR)
    assert lease.state is GRANTED


# -- of several ends, the first is told -----------------------------------------------------------------


def test_a_wake_brings_back_the_notice_of_a_drain() -> None:
    story, lease = idle_story()
    story.core.drain(story.now, "gpu1", story.now + HOUR)
    assert "has done no GPU work" in lease.notice
    story.work(lease)
    assert lease.notice == "GPU 0.5 ends at 09:30: GPU server gpu1 is taken out of service."


def test_an_earlier_time_limit_is_told_although_the_server_drains() -> None:
    story = Story(policy(longest_lease_s=HOUR))
    story.server()
    lease = story.ask(0.5)
    story.core.drain(story.now, "gpu1", story.now + 2 * HOUR)
    story.jump(HOUR - 300)
    assert lease.notice == "GPU 0.5 ends at 09:00: a lease lasts 1 h at most."
    story.core.cordon(story.now, "gpu1", False)
    assert lease.notice == "GPU 0.5 ends at 09:00: a lease lasts 1 h at most."


def test_a_time_limit_is_told_again_after_a_wake() -> None:
    story, lease = idle_story(longest_lease_s=1900)
    assert "has done no GPU work" not in lease.notice  # it ends at 08:31:40, before 08:35
    story.work(lease)
    assert (lease.state, lease.notice[:17]) == (ACTIVE, "GPU 0.5 ends at 0")


@pytest.mark.parametrize("grace_s", [0.0, 1.0])
def test_no_look_repeats_for_ever(grace_s: float) -> None:
    """Whatever is due at once is done once, also with times of zero."""
    times = Times(ttl_s=60, idle_grace_s=grace_s, notice_s=0)
    quotas = Quotas(Quota(longest_idle_s=0, longest_lease_s=0, longest_queue_s=0))
    story = Story(Policy(times, quotas=quotas))
    assert isinstance(story.core, PoolCore)
    story.server()
    lease, waiting = story.ask(1.0), story.ask(1.0)
    story.core.tick(story.now)
    assert (lease.state, waiting.state) == (LeaseState.EXPIRED, LeaseState.REFUSED)
