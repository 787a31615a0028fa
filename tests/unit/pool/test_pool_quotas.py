# SPDX-License-Identifier: BSD-3-Clause
"""What users and groups may hold, which quota counts, and what a change of quotas does."""

from __future__ import annotations

import math

import pytest
from pool_story import Story

from bfkernel.remote.pool.core import Ceiling, Policy, Quota, Quotas, Scope
from bfkernel.remote.records import Lease, LeaseState

GRANTED, QUEUED, REFUSED = LeaseState.GRANTED, LeaseState.QUEUED, LeaseState.REFUSED


def story_with(quotas: Quotas, cards: int = 4) -> Story:
    story = Story(Policy(quotas=quotas))
    story.server("gpu1", *[10000] * cards)
    return story


def refusal(lease: Lease) -> str:
    assert (lease.state, lease.code) == (REFUSED, "quota")
    return lease.message


# -- each limit, with its sentence ----------------------------------------------------------------------


def test_gpus_at_once() -> None:
    story = story_with(Quotas(Quota(gpus=0.5)))
    story.ask(0.3, name="a.ipynb")
    assert refusal(story.ask(0.3)) == (
        "Your quota is 0.5 GPUs at once, and 0.3 are in use (a.ipynb 0.3): shut one down, or ask for less."
    )
    assert story.ask(0.2).state is GRANTED
    assert story.ask(0.5, user="bob").state is GRANTED


def test_a_request_above_the_whole_quota_has_nothing_to_shut_down() -> None:
    story = story_with(Quotas(Quota(gpus=1)))
    assert refusal(story.ask(1.0, gpus=2)) == "Your quota is 1 GPU at once, and 0 are in use: ask for less."


def test_leases_at_once() -> None:
    story = story_with(Quotas(Quota(leases=1)))
    story.ask(0.1, name="train.py")
    assert refusal(story.ask(0.1)) == (
        "Your quota is 1 GPU lease at once, and 1 is in use (train.py 0.1): shut one down."
    )


def test_memory_at_once() -> None:
    story = story_with(Quotas(Quota(memory_mib=3000)))
    story.ask(0.2, name="a")
    assert refusal(story.ask(mib=1001)) == (
        "Your quota is 3000 MiB of GPU memory at once, and 2000 MiB are in use (a 0.2): "
        "shut one down, or ask for less."
    )
    assert story.ask(mib=1000).state is GRANTED


def test_what_waits_counts() -> None:
    story = story_with(Quotas(Quota(gpus=1)), cards=1)
    story.ask(1.0, user="teacher")
    assert story.ask(0.6).state is QUEUED
    assert story.ask(0.5).state is REFUSED


def test_a_sentence_names_at_most_eight() -> None:
    story = story_with(Quotas(Quota(leases=10)))
    for n in range(10):
        story.ask(0.01, name=f"k{n}")
    assert "k7 0.01, and 2 more): shut one down." in refusal(story.ask(0.01))


def test_unlimited_is_without_limit() -> None:
    story = story_with(
        Quotas(Quota(gpus=0.1, leases=1), users={"ada": Quota(gpus=math.inf, leases=math.inf)})
    )
    assert all(story.ask(1.0).state is GRANTED for _ in range(4))
    assert story.ask(0.2, user="bob").state is REFUSED


# -- whose quota counts ---------------------------------------------------------------------------------


def test_a_users_own_quota_goes_before_the_groups_and_the_default() -> None:
    quotas = Quotas(Quota(gpus=0.1, leases=9), groups={"ml": Quota(gpus=0.5)}, users={"ada": Quota(gpus=0.2)})
    terms = quotas.terms("ada", ("ml",), "")
    assert (terms.gpus, terms.leases) == (0.2, 9)
    assert quotas.terms("bob", ("ml",), "").gpus == 0.5
    assert quotas.terms("bob", (), "").gpus == 0.1
    story = story_with(quotas)
    assert story.ask(0.3, user="ada", groups=("ml",)).state is REFUSED
    assert story.ask(0.3, user="bob", groups=("ml",)).state is GRANTED
    assert story.ask(0.3, user="cleo").state is REFUSED


def test_of_several_groups_the_most_generous_counts_in_each_field() -> None:
    groups = {"a": Quota(gpus=1, longest_idle_s=60), "b": Quota(gpus=2, longest_idle_s=30), "c": Quota()}
    quotas = Quotas(Quota(leases=3), groups=groups)
    terms = quotas.terms("ada", ("a", "b", "unknown"), "")
    assert (terms.gpus, terms.longest_idle_s, terms.leases) == (2, 60, 3)
    # Who is in a group without a limit has none.
    assert quotas.terms("ada", ("a", "b", "c"), "").gpus is None
    # The default is for those without any group that has a quota.
    assert quotas.terms("ada", ("unknown",), "").gpus is None


def test_a_named_group_counts_by_itself() -> None:
    story = story_with(Quotas(groups={"course": Quota(gpus=0.1), "lab": Quota(gpus=1)}))
    groups = ("course", "lab")
    assert story.ask(0.1, groups=groups, group="course").state is GRANTED
    words = refusal(story.ask(0.1, groups=groups, group="course"))
    assert words.startswith("Your quota in course is 0.1 GPUs at once, and 0.1 are in use (")
    # The own account has all of its quota still, and charges the most generous group.
    own = story.ask(1.0, groups=groups)
    assert (own.state, own.group, own.group_named) == (GRANTED, "lab", False)
    # The sentence names only what counts with it.
    assert "1 is in use (command 1): " in refusal(story.ask(0.1, groups=groups))
    assert story.core.quotas.group_charged(("nobody",)) == ""


def test_a_users_own_quota_counts_over_all_accounts() -> None:
    quotas = Quotas(groups={"course": Quota(gpus=1)}, users={"ada": Quota(gpus=1.5)})
    story = story_with(quotas)
    assert story.ask(1.0, groups=("course",), group="course").state is GRANTED
    assert story.ask(0.6, groups=("course",)).state is REFUSED
    assert story.ask(0.5, groups=("course",)).state is GRANTED


def test_a_groups_total_bounds_its_members_together() -> None:
    quotas = Quotas(groups={"ml": Quota(gpus=1)}, totals={"ml": Quota(gpus=1.5)})
    story = story_with(quotas)
    assert story.ask(1.0, user="ada", groups=("ml",)).state is GRANTED
    assert refusal(story.ask(1.0, user="bob", groups=("ml",))) == (
        "The quota of ml as a whole is 1.5 GPUs at once, and 1 is in use: "
        "wait until others have ended theirs, or ask for less."
    )
    assert story.ask(0.5, user="bob", groups=("ml",), name="b.py").state is GRANTED
    assert refusal(story.ask(0.5, user="bob", groups=("ml",))) == (
        "The quota of ml as a whole is 1.5 GPUs at once, and 1.5 are in use (yours: b.py 0.5): "
        "shut one down, or ask for less."
    )


def test_a_tally_says_what_is_held_and_asked_for() -> None:
    story = story_with(Quotas(Quota(gpus=3), totals={"ml": Quota(gpus=4)}), cards=1)
    story.ask(0.5, groups=("ml",))
    story.ask(1.0, groups=("ml",))
    for scope in (Scope("account", "ada"), Scope("user", "ada"), Scope("group", group="ml")):
        tally = story.core.tally(story.now, Ceiling(scope, Quota()))
        assert (tally.hundredths, tally.leases, tally.memory_mib, tally.rate) == (150, 2, 15000, 50)


# -- changes --------------------------------------------------------------------------------------------


def three_leases() -> tuple[Story, Lease, Lease, Lease]:
    """Two running leases and a waiting one, of 1 GPU each."""
    story = story_with(Quotas(Quota(gpus=3)), cards=2)
    old, new, waiting = (story.ask(1.0) for _ in range(3))
    assert [lease.state for lease in (old, new, waiting)] == [GRANTED, GRANTED, QUEUED]
    return story, old, new, waiting


def test_a_lowered_quota_refuses_what_waits_and_leaves_what_runs() -> None:
    story, old, new, waiting = three_leases()
    story.core.set_quotas(story.now, Quotas(Quota(gpus=1)))
    assert [lease.state for lease in (old, new)] == [GRANTED, GRANTED]
    assert (waiting.state, waiting.code) == (REFUSED, "quota")
    assert waiting.message == "The quota was lowered, and GPU 1 is more than it leaves."
    assert story.ask(0.1).state is REFUSED


def test_a_lowered_quota_that_is_enforced_revokes_the_newest() -> None:
    story, old, new, waiting = three_leases()
    story.core.set_quotas(story.now, Quotas(Quota(gpus=1)), enforce=True)
    assert [lease.state for lease in (old, new, waiting)] == [GRANTED, LeaseState.REVOKED, REFUSED]
    assert new.message == "The quota was lowered, and GPU 1 is more than it leaves."


def test_what_waits_goes_before_what_runs_when_a_quota_is_enforced() -> None:
    story = story_with(Quotas(Quota(gpus=3)), cards=2)
    story.ask(1.0, user="teacher")
    large, small = story.ask(1.0, gpus=2), story.ask(0.5)
    assert (large.state, small.state) == (QUEUED, GRANTED)
    story.core.set_quotas(story.now, Quotas(Quota(gpus=1)), enforce=True)
    assert (large.state, small.state) == (REFUSED, GRANTED)


def test_a_raised_quota_lets_in_more() -> None:
    story, old, _, waiting = three_leases()
    assert story.ask(0.5).state is REFUSED
    story.core.set_quotas(story.now, Quotas(Quota(gpus=4)))
    assert story.ask(0.5).state is QUEUED
    story.release(old)
    assert waiting.state is GRANTED


@pytest.mark.parametrize("limit", [0.5, 2])
def test_limits_of_time_hold_for_what_is_asked_from_now_on(limit: float) -> None:
    story = story_with(Quotas(Quota(longest_lease_s=3600)))
    before = story.ask(0.1)
    story.core.set_quotas(story.now, Quotas(Quota(longest_lease_s=3600 * limit)))
    after = story.ask(0.1)
    assert (before.longest_lease_s, after.longest_lease_s) == (3600, 3600 * limit)
