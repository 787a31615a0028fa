# SPDX-License-Identifier: BSD-3-Clause
"""The states of a lease, and what the pool tells of a change."""

from __future__ import annotations

import pytest
from pool_story import Story

from bfkernel.remote.pool.core.transitions import TRANSITIONS, IllegalTransitionError, transition
from bfkernel.remote.records import Holder, Lease, LeaseState, Need, Share


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize("state", LeaseState)
def test_only_the_tables_transitions_exist(name: str, state: LeaseState) -> None:
    lease = Lease("l", "ada", Need(Share(0.5)), Holder(), 0.0, 1, state=state)
    if state in TRANSITIONS[name]:
        transition(lease, name, 1.0, "code", "Why.")
        assert lease.state is TRANSITIONS[name][state]
        assert (lease.revision, lease.code, lease.message) == (2, "code", "Why.")
        assert (lease.ended_at is None) == lease.state.live
    else:
        with pytest.raises(IllegalTransitionError, match=f"{state.value} cannot {name}"):
            transition(lease, name, 1.0)


def test_a_lease_goes_through_its_life(one_card: Story) -> None:
    holder = one_card.ask(1.0)
    lease = one_card.ask(0.5)
    assert (lease.state, lease.granted_at) == (LeaseState.QUEUED, None)
    one_card.now += 10
    one_card.release(holder)
    assert (lease.state, lease.granted_at) == (LeaseState.GRANTED, one_card.now)
    one_card.work(lease)
    assert (lease.state, lease.workers, lease.held_mib) == (LeaseState.ACTIVE, 1, [1.0])
    one_card.now += 10
    one_card.release(lease)
    assert (lease.state, lease.ended_at) == (LeaseState.RELEASED, one_card.now)
    assert (lease.code, lease.message) == ("released", "The lease was released.")
    assert not one_card.core.leases


@pytest.mark.parametrize("queued", [True, False])
def test_what_is_revoked_says_why(one_card: Story, queued: bool) -> None:
    if queued:
        one_card.ask(1.0)
    lease = one_card.ask(1.0)
    one_card.core.revoke(one_card.now, lease.id, "The lease was revoked by root.")
    assert (lease.state, lease.code) == (LeaseState.REVOKED, "revoked")
    assert lease.message == "The lease was revoked by root."


@pytest.mark.parametrize("event", ["heartbeat", "release", "revoke"])
def test_an_ended_lease_takes_no_events(one_card: Story, event: str) -> None:
    lease = one_card.ask(1.0)
    one_card.release(lease)
    with pytest.raises(KeyError):
        getattr(one_card.core, event)(one_card.now, lease.id, *["Why."] * (event == "revoke"))


def test_a_group_that_one_is_not_in_cannot_be_charged(one_card: Story) -> None:
    lease = one_card.ask(0.1, groups=("ml",), group="physics")
    assert (lease.state, lease.code) == (LeaseState.REFUSED, "no-such-group")
    assert lease.message == "You are not in the group physics."
    assert one_card.core.take_changes().leases == {lease.id: lease}


def test_moving_up_changes_the_revision(one_card: Story) -> None:
    core = one_card.core
    holder = one_card.ask(1.0)
    first, second = one_card.ask(1.0), one_card.ask(1.0)
    core.take_changes()
    before, seen = core.revision(second), core.revision(first)
    one_card.release(holder)
    changes = core.take_changes()
    assert set(changes.leases) == {holder.id, first.id}
    assert (changes.moved, changes.freed) == (True, {"gpu1"})
    assert core.revision(second) > before
    assert core.revision(first) > seen
    assert not core.take_changes().moved


def test_what_changed_is_unsaved_until_it_is_taken(one_card: Story) -> None:
    lease = one_card.ask(1.0)
    assert one_card.core.is_unsaved(lease.id)
    one_card.core.take_changes()
    assert not one_card.core.is_unsaved(lease.id)
    one_card.core.heartbeat(one_card.now, lease.id)
    assert not one_card.core.is_unsaved(lease.id)
