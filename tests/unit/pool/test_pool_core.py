# SPDX-License-Identifier: BSD-3-Clause
"""The pool's decisions, event by event."""

from __future__ import annotations

import dataclasses

import pytest
from pool_story import CARD_MIB, Story, report_of

from bfkernel.remote.pool.core import NameTakenError
from bfkernel.remote.pool.transitions import TRANSITIONS, IllegalTransitionError, transition
from bfkernel.remote.records import Holder, Lease, LeaseState, Share


def test_a_fraction_is_floored_to_mib(one_card: Story) -> None:
    lease = one_card.ask(0.02)
    assert (lease.state, lease.memory_mib) == (LeaseState.GRANTED, 655)
    assert one_card.free() == [CARD_MIB - 655]


def test_fifty_fiftieths_fit(one_card: Story) -> None:
    assert all(one_card.ask(0.02).state is LeaseState.GRANTED for _ in range(50))
    assert one_card.ask(0.02).state is LeaseState.QUEUED


@pytest.mark.parametrize(("fraction", "card", "mib"), [(0.29, 100, 29), (1.0, 32768, 32768), (0.1, 10, 1)])
def test_fractions_are_the_decimals_that_were_written(fraction: float, card: int, mib: int) -> None:
    assert Share(fraction).memory_on(card) == mib


def test_best_fit_leaves_the_untouched_card(story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    first = story.ask(mib=400)
    second = story.ask(mib=500)
    assert first.placements[0].gpu == second.placements[0].gpu
    assert story.ask(mib=1000).state is LeaseState.GRANTED


def test_gpus_of_one_lease_are_on_one_server(story: Story) -> None:
    story.server("gpu1", 1000)
    story.server("gpu2", 1000, 1000)
    lease = story.ask(mib=600, gpus=2)
    assert lease.server == "gpu2"
    assert len({p.gpu for p in lease.placements}) == 2
    assert story.ask(mib=600, gpus=2).state is LeaseState.QUEUED


def test_a_lease_across_unequal_cards_has_each_cards_fraction(story: Story) -> None:
    story.server("gpu1", 1000, 2000)
    lease = story.ask(0.5, gpus=2)
    assert [p.memory_mib for p in lease.placements] == [500, 1000]
    assert lease.memory_mib == 500


def test_the_first_in_the_queue_is_not_overtaken(one_card: Story) -> None:
    holder = one_card.ask(0.5)
    big = one_card.ask(1.0)
    small = one_card.ask(0.02)
    assert (big.state, small.state) == (LeaseState.QUEUED, LeaseState.QUEUED)
    assert [one_card.core.queue.position(lease) for lease in (big, small)] == [1, 2]
    one_card.core.release(one_card.now, holder.id)
    assert (big.state, small.state) == (LeaseState.GRANTED, LeaseState.QUEUED)


def test_leaving_the_queue_lets_the_next_one_in(one_card: Story) -> None:
    one_card.ask(0.5)
    big, small = one_card.ask(1.0), one_card.ask(0.02)
    one_card.core.release(one_card.now, big.id)
    assert (big.state, small.state) == (LeaseState.RELEASED, LeaseState.GRANTED)


def test_a_request_that_only_an_absent_server_fits_does_not_block(story: Story) -> None:
    story.server("big", 2000)
    story.server("small", 1000)
    story.later(11, servers=("small",))
    big, small = story.ask(mib=1500), story.ask(mib=500)
    assert (big.state, small.state) == (LeaseState.QUEUED, LeaseState.GRANTED)
    assert not story.core.servable(big)
    story.server("big", 2000)
    assert big.state is LeaseState.GRANTED


def test_what_no_server_could_ever_serve_is_refused(one_card: Story) -> None:
    lease = one_card.ask(mib=CARD_MIB + 1)
    assert (lease.state, lease.code) == (LeaseState.REFUSED, "no-such-size")
    assert "32768 MiB" in lease.message
    assert one_card.ask(0.5, gpus=2).state is LeaseState.REFUSED
    assert one_card.ask(0.00001).state is LeaseState.REFUSED
    assert not one_card.core.leases


def test_without_any_server_requests_wait(story: Story) -> None:
    lease = story.ask(0.02)
    assert lease.state is LeaseState.QUEUED
    story.server()
    assert lease.state is LeaseState.GRANTED


def test_heartbeats_keep_a_lease_and_silence_ends_it(one_card: Story) -> None:
    kept, silent = one_card.ask(0.5), one_card.ask(0.5)
    one_card.later(59, alive=(kept.id,))
    assert silent.state is LeaseState.GRANTED
    one_card.later(2, alive=(kept.id,))
    assert (kept.state, silent.state) == (LeaseState.GRANTED, LeaseState.EXPIRED)
    assert one_card.free() == [CARD_MIB // 2]


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
    assert lease.state is LeaseState.ACTIVE
    one_card.later(61)
    assert lease.state is LeaseState.EXPIRED


def test_a_connection_between_two_reports_counts(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    report = dataclasses.replace(report_of(), ended=[lease.id, "unknown"])
    one_card.core.report(one_card.now, report)
    assert (lease.state, lease.workers) == (LeaseState.ACTIVE, 0)


def test_a_share_is_booked_until_its_workers_have_ended(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    one_card.server(**{lease.id: 2})
    one_card.core.release(one_card.now, lease.id)
    waiting = one_card.ask(1.0)
    assert waiting.state is LeaseState.QUEUED
    assert one_card.server(**{lease.id: 1}) == [lease.id]
    assert waiting.state is LeaseState.QUEUED
    assert one_card.server() == []
    assert waiting.state is LeaseState.GRANTED


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
    assert story.server("gpu1", 1000, **{first.id: 1}) == [first.id]


def test_an_agent_that_starts_again_keeps_its_leases(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    one_card.server(**{lease.id: 1})
    one_card.core.agent_left("gpu1", "a")
    one_card.server(instance="b")
    assert (lease.state, lease.workers) == (LeaseState.ACTIVE, 0)


def test_a_running_agent_keeps_its_name(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    with pytest.raises(NameTakenError, match="gpu1"):
        one_card.server("gpu1", 500, instance="b")
    one_card.core.agent_left("gpu1", "an earlier one")
    one_card.core.agent_left("gpu1", "a")
    one_card.server()
    with pytest.raises(NameTakenError):
        one_card.server(instance="b")
    assert lease.state is LeaseState.GRANTED
    one_card.now += 11
    one_card.server(instance="b")


def test_a_gpu_that_is_gone_takes_its_leases_along(story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    leases = [story.ask(mib=1000), story.ask(mib=1000)]
    story.server("gpu1", 1000)
    assert sorted(lease.state.value for lease in leases) == ["granted", "revoked"]
    assert story.free() == [0]


def test_after_a_time_without_the_pool_nobody_expires(one_card: Story) -> None:
    lease = one_card.ask(0.5)
    one_card.now += 1000
    one_card.core.resume(one_card.now)
    one_card.core.tick(one_card.now)
    assert lease.state is LeaseState.GRANTED


def test_moving_up_changes_the_revision(one_card: Story) -> None:
    holder = one_card.ask(1.0)
    first, second = one_card.ask(1.0), one_card.ask(1.0)
    one_card.core.take_changes()
    before = second.revision
    one_card.core.release(one_card.now, holder.id)
    changes = one_card.core.take_changes()
    assert set(changes.leases) == {holder.id, first.id}
    assert changes.moved == {second.id}
    assert second.revision > before
    assert changes.freed == {"gpu1"}


def test_only_the_tables_transitions_exist() -> None:
    for name, ways in TRANSITIONS.items():
        for state in LeaseState:
            lease = Lease("l", "ada", Share(0.5), 1, Holder(), 0.0, 1, state=state)
            if state in ways:
                transition(lease, name, 1.0)
                assert lease.state is ways[state]
            else:
                with pytest.raises(IllegalTransitionError):
                    transition(lease, name, 1.0)
