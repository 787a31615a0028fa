# SPDX-License-Identifier: BSD-3-Clause
"""Who is served next: fair share, priorities, and how far small requests pass large ones."""

from __future__ import annotations

import pytest
from pool_story import Story

from bfkernel.remote.pool.core import Policy, Quota, Quotas
from bfkernel.remote.records import Lease, LeaseState

GRANTED, QUEUED = LeaseState.GRANTED, LeaseState.QUEUED


def order(story: Story) -> list[str]:
    return [lease.id for lease in story.core.queue]


def ids(*leases: Lease) -> list[str]:
    return [lease.id for lease in leases]


def states(*leases: Lease) -> list[LeaseState]:
    return [lease.state for lease in leases]


# -- order ----------------------------------------------------------------------------------------------


def test_equal_users_are_served_in_order_of_arrival(one_card: Story) -> None:
    one_card.ask(1.0, user="teacher")
    waiting = [one_card.ask(0.5, user=user) for user in ("cleo", "ada", "bob")]
    assert order(one_card) == ids(*waiting)
    assert [one_card.core.queue.position(lease) for lease in waiting] == [1, 2, 3]


def test_who_holds_less_goes_first(story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    story.ask(1.0, user="ada")
    story.ask(1.0, user="teacher")
    rich = story.ask(0.5, user="ada")
    poor = story.ask(0.5, user="bob")
    assert order(story) == ids(poor, rich)


def test_who_asks_for_less_goes_first(one_card: Story) -> None:
    one_card.ask(1.0, user="teacher")
    large, small = one_card.ask(1.0, user="ada"), one_card.ask(0.1, user="bob")
    assert order(one_card) == ids(small, large)


def test_requests_of_one_user_alternate_with_those_of_others(one_card: Story) -> None:
    """Ten requests at once do not put one user before everybody who comes after."""
    one_card.ask(1.0, user="teacher")
    a1, a2, a3 = (one_card.ask(0.1, user="ada") for _ in range(3))
    b1, b2 = (one_card.ask(0.1, user="bob") for _ in range(2))
    assert order(one_card) == ids(a1, b1, a2, b2, a3)


def test_a_weight_of_two_counts_half() -> None:
    quotas = Quotas(users={"ada": Quota(weight=2)})
    story = Story(Policy(quotas=quotas))
    story.server()
    story.ask(1.0, user="teacher")
    b1, b2 = (story.ask(0.2, user="bob") for _ in range(2))
    a1, a2, a3, a4 = (story.ask(0.2, user="ada") for _ in range(4))
    assert order(story) == ids(a1, b1, a2, a3, b2, a4)


def test_a_users_requests_keep_their_order(story: Story) -> None:
    """Also when the user releases something in between, so that the next one counts for less."""
    story.server("gpu1", 1000, 1000)
    held = [story.ask(0.3, user="ada") for _ in range(3)]
    first = story.ask(1.0, user="ada", gpus=2)
    story.core.cordon(story.now, "gpu1", True)
    story.release(*held)
    second = story.ask(0.1, user="ada")
    other = story.ask(1.0, user="bob")
    assert order(story) == ids(other, first, second)


def test_a_higher_priority_goes_first() -> None:
    story = Story(Policy(quotas=Quotas(groups={"exam": Quota(priority=10)})))
    story.server()
    holder = story.ask(1.0, user="teacher")
    ordinary = story.ask(0.02, user="ada")
    exam = story.ask(1.0, user="bob", groups=("exam",))
    assert order(story) == ids(exam, ordinary)
    story.release(holder)
    assert states(exam, ordinary) == [GRANTED, QUEUED]


def test_of_several_groups_the_higher_priority_and_weight_count() -> None:
    groups = {"exam": Quota(priority=10), "lab": Quota(weight=3), "late": Quota(priority=-5, weight=0.5)}
    quotas = Quotas(groups=groups)
    terms = quotas.terms("ada", ("exam", "lab", "late"), "")
    assert (terms.priority, terms.weight) == (10, 3)
    # Who says nothing of a priority has the ordinary one, 0.
    assert quotas.terms("ada", ("lab", "late"), "").priority == 0


def test_others_get_less_before_a_request_than_its_user_had_and_asked_for(one_card: Story) -> None:
    """The bound of queue.py: users who hold nothing ask anew again and again."""
    one_card.ask(0.5, user="teacher")
    one_card.ask(0.4, user="ada")
    slot = one_card.ask(0.1, user="bob")
    waiting = one_card.ask(0.1, user="ada")
    served = {"bob": 0, "cleo": 0}
    for _ in range(50):
        users_in_line = {lease.user for lease in one_card.core.queue}
        asking = [one_card.ask(0.1, user=user) for user in served if user not in users_in_line]
        one_card.release(slot)
        if waiting.state is GRANTED:
            break
        slot = next(lease for lease in one_card.core.leases_on("gpu1") if lease.hundredths == 10)
        served[slot.user] += 10
        assert asking
    assert waiting.state is GRANTED
    # It had 0.4 and asked for 0.1.
    assert 10 <= min(served.values()) <= max(served.values()) < 50


# -- passing --------------------------------------------------------------------------------------------


def blocked_story(policy: Policy | None = None) -> tuple[Story, Lease, list[Lease]]:
    """One card, 0.9 of it held; ada's 0.4 is first, and others' requests of 0.1 come behind it."""
    story = Story(policy)
    story.server("gpu1", 1000)
    held = [story.ask(0.3, user=f"t{n}") for n in range(3)]
    large = story.ask(0.4, user="ada")
    return story, large, held


def test_passing_ends_at_the_bound_and_the_server_is_kept() -> None:
    story, large, held = blocked_story()
    small = []
    for _ in range(8):
        lease = story.ask(0.1, user="t0")  # holds 0.3 already: tag 30 + 40
        assert lease.tag >= large.tag
        small.append(lease)
        if lease.state is QUEUED:
            break
        story.release(lease)
    assert states(*small) == [LeaseState.RELEASED] * 4 + [QUEUED]
    assert large.passed == large.hundredths == 40
    # 0.1 is free, and kept; now 0.3 more comes, and the large one is served at last.
    story.release(held[1])
    assert states(large, small[-1]) == [GRANTED, QUEUED]
    story.release(held[2])
    assert small[-1].state is GRANTED


def test_only_the_nearest_server_is_kept() -> None:
    story = Story()
    story.server("other", 1000)
    story.server("near", 1000)
    for server, fraction in (("other", 0.8), ("near", 0.7)):
        story.ask(fraction, f"server={server}", user="t0")
    large = story.ask(0.4, user="ada")
    passing = [story.ask(0.1, user="t0") for _ in range(5)]
    assert [lease.server for lease in passing] == ["other", "other", "near", "near", None]
    assert (large.passed, story.free("other"), story.free("near")) == (40, [0], [100])
    # Nothing more on the near server, but on the far one it may still be passed.
    story.release(passing[0])
    assert passing[4].server == "other"


def test_who_is_before_the_blocked_one_may_have_the_kept_server() -> None:
    story, _, _ = blocked_story(Policy(quotas=Quotas(groups={"exam": Quota(priority=1)})))
    for _ in range(4):
        story.release(story.ask(0.1, user="t0"))
    assert story.ask(0.1, user="t0").state is QUEUED
    assert story.ask(0.1, user="bob", groups=("exam",)).state is GRANTED


def test_leaving_the_queue_lets_the_next_one_in() -> None:
    story, large, _ = blocked_story()
    for _ in range(4):
        story.release(story.ask(0.1, user="t0"))
    small = story.ask(0.1, user="t0")
    assert small.state is QUEUED
    story.release(large)
    assert small.state is GRANTED


def test_equals_behind_one_without_room_are_not_tried_before_it(one_card: Story) -> None:
    holder = one_card.ask(1.0, user="teacher")
    waiting = [one_card.ask(0.6, user=user) for user in ("ada", "bob")]
    one_card.release(holder)
    assert states(*waiting) == [GRANTED, QUEUED]


def test_what_quotas_do_not_allow_holds_nobody_up_but_is_not_starved() -> None:
    """ada may have 1000 MiB: her half fits the small card's quota only, and that card is taken."""
    story = Story(Policy(quotas=Quotas(users={"ada": Quota(memory_mib=1000)})))
    story.server("large", 4000)
    story.server("small", 2000)
    taken = story.ask(1.0, "server=small", user="bob")
    waiting = story.ask(0.5, user="ada")
    assert waiting.state is QUEUED
    equal = story.ask(0.5, user="bob")
    assert equal.server == "large"
    assert waiting.passed == 50
    # From here on the small server is kept for ada: bob's next, behind her, gets nothing there.
    story.release(taken)
    assert (waiting.state, waiting.server) == (GRANTED, "small")


@pytest.mark.parametrize("away", ["absent", "cordoned"])
def test_a_request_that_only_a_server_that_is_away_fits_holds_nobody_up(away: str) -> None:
    story = Story()
    story.server("big", 2000)
    story.server("small", 1000)
    if away == "absent":
        story.later(11, servers=("small",))
    else:
        story.core.cordon(story.now, "big", True)
    big = story.ask(mib=1500)
    assert not story.core.servable(big)
    small = [story.ask(mib=100, user="bob") for _ in range(10)]
    assert states(big, *small) == [QUEUED] + [GRANTED] * 10
    assert big.passed == 0
    if away == "absent":
        story.server("big", 2000)
    else:
        story.core.cordon(story.now, "big", False)
    assert (big.state, big.server) == (GRANTED, "big")


def test_several_gpus_are_kept_together(story: Story) -> None:
    story.server("gpu1", 1000, 1000)
    held = [story.ask(1.0, user="teacher") for _ in range(2)]
    pair = story.ask(1.0, user="ada", gpus=2)
    small = [story.ask(0.5, user="teacher") for _ in range(8)]
    assert small[0].tag >= pair.tag
    story.release(held[0])
    assert states(*small[:2]) == [GRANTED, GRANTED]
    story.release(small[0], small[1])
    assert states(*small[2:4]) == [GRANTED, GRANTED]
    story.release(small[2], small[3])
    # 2 GPUs have passed it: nobody else does.
    assert states(*small[4:]) == [QUEUED] * 4
    story.release(held[1])
    assert pair.state is GRANTED
