# SPDX-License-Identifier: BSD-3-Clause
"""GPU-hours: counted from grant to end in each window, and ended at the second at which they are used up."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from pool_story import HOUR, Story, policy

from bfkernel.remote.pool.core import Calendar, Ceiling, Period, Policy, Quota, Quotas, Scope, UsedTime
from bfkernel.remote.records import LeaseState

GRANTED, EXPIRED, REFUSED = LeaseState.GRANTED, LeaseState.EXPIRED, LeaseState.REFUSED
ACCOUNT = Ceiling(Scope("account", "ada"), Quota())


def used(story: Story, period: Period = Period.DAY, ceiling: Ceiling = ACCOUNT) -> float:
    return round(story.core.tally(story.now, ceiling).gpu_hours(period), 6)


def story_of(**quota: float) -> Story:
    story = Story(policy(**quota))
    story.server("gpu1", 1000, 1000, 1000, 1000)
    return story


def test_use_is_share_times_time_from_grant_to_end() -> None:
    story = story_of()
    story.ask(1.0, gpus=4, user="teacher")
    waiting = story.ask(0.5)
    story.jump(HOUR)
    assert used(story) == 0
    story.core.revoke(story.now, "l1", "Time is up.")
    story.jump(HOUR)
    second = story.ask(1.0, gpus=2)
    story.jump(HOUR)
    assert used(story) == 0.5 + 0.5 + 2
    story.release(waiting, second)
    story.jump(HOUR)
    assert used(story) == 3
    assert [used(story, period) for period in Period] == [3, 3, 3]


def test_a_lease_ends_at_the_second_at_which_its_hours_are_used_up() -> None:
    story = story_of(gpu_hours_per_day=1)
    lease = story.ask(0.5)
    story.jump(2 * HOUR - 1)
    assert lease.state is GRANTED
    story.jump(1)
    assert (lease.state, lease.code) == (EXPIRED, "gpu-hours")
    assert lease.message == (
        "Your quota of 1 GPU-hours for this day is used up; the next day begins at Tue 1 Dec 00:00."
    )
    refused = story.ask(0.1)
    assert (refused.state, refused.code, refused.message) == (REFUSED, "gpu-hours", lease.message)
    story.jump(14 * HOUR)
    assert story.ask(0.1).state is GRANTED


def test_several_leases_use_the_hours_together() -> None:
    """1 GPU for an hour, then 3 for half an hour, then 1 again: 4 GPU-hours after 1 + 0.5 + 1.5 hours."""
    story = story_of(gpu_hours_per_week=4)
    first = story.ask(1.0)
    story.jump(HOUR)
    others = [story.ask(1.0), story.ask(1.0)]
    story.jump(HOUR / 2)
    story.release(*others)
    story.jump(1.5 * HOUR - 1)
    assert first.state is GRANTED
    last = story.ask(1.0)
    story.jump(0.5)
    assert (first.state, last.state) == (EXPIRED, EXPIRED)
    assert "for this week is used up; the next week begins at Mon 7 Dec 00:00." in first.message


def test_a_new_window_begins_with_nothing_used() -> None:
    story = story_of(gpu_hours_per_day=10)
    story.jump(8 * HOUR)  # 16:00
    lease = story.ask(1.0)
    story.jump(8 * HOUR + 1)
    assert round(used(story) * HOUR) == 1
    assert used(story, Period.WEEK) > 8
    story.jump(10 * HOUR - 2)
    assert lease.state is GRANTED
    story.jump(1)
    assert lease.state is EXPIRED


def test_a_window_that_begins_just_in_time_saves_a_lease() -> None:
    story = story_of(gpu_hours_per_day=16)
    lease = story.ask(1.0)  # 8:00: at midnight 16 hours are used
    story.now += 16 * HOUR
    story.jump(1)
    assert lease.state is GRANTED


def test_the_pool_that_slept_over_several_windows_counts_the_last() -> None:
    story = story_of()
    story.ask(1.0)
    story.jump(50 * HOUR)
    assert (used(story), used(story, Period.WEEK)) == (10, 50)


def test_a_request_that_waits_is_refused_when_the_hours_are_used_up_at_its_turn() -> None:
    story = story_of(gpu_hours_per_day=1)
    story.ask(1.0, gpus=3, user="teacher")
    running = story.ask(1.0)
    waiting, other = story.ask(1.0), story.ask(1.0, user="bob")
    story.jump(HOUR)
    assert (running.state, running.code) == (EXPIRED, "gpu-hours")
    assert (waiting.state, waiting.code) == (REFUSED, "gpu-hours")
    assert other.state is GRANTED


def test_a_groups_total_ends_what_all_members_hold_for_it() -> None:
    quotas = Quotas(groups={"ml": Quota()}, totals={"ml": Quota(gpu_hours_per_term=2)})
    story = Story(Policy(quotas=quotas))
    story.server("gpu1", 1000, 1000, 1000, 1000)
    members = [story.ask(1.0, user=user, groups=("ml",)) for user in ("ada", "bob")]
    outsider = story.ask(1.0, user="cleo")
    story.jump(HOUR)
    assert [lease.state for lease in (*members, outsider)] == [EXPIRED, EXPIRED, GRANTED]
    assert members[0].message == (
        "The quota of ml as a whole of 2 GPU-hours for this term is used up; "
        "the next term begins at Fri 1 Jan 00:00."
    )


def test_a_course_has_hours_of_its_own() -> None:
    quotas = Quotas(groups={"course": Quota(gpu_hours_per_day=1)})
    story = Story(Policy(quotas=quotas))
    story.server("gpu1", 1000, 1000)
    own = story.ask(1.0, groups=())
    course = story.ask(1.0, groups=("course",), group="course")
    story.jump(HOUR)
    assert (own.state, course.state) == (GRANTED, EXPIRED)
    assert course.message.startswith("Your quota in course of 1 GPU-hours for this day is used up")


def test_who_joins_a_group_meanwhile_keeps_each_leases_limit() -> None:
    """Both leases count in one account; the older one was asked for under a smaller quota."""
    quotas = Quotas(Quota(gpu_hours_per_day=3), groups={"ml": Quota(gpu_hours_per_day=6)})
    story = Story(Policy(quotas=quotas))
    story.server("gpu1", 1000, 1000)
    before = story.ask(1.0)
    story.jump(HOUR)
    after = story.ask(1.0, groups=("ml",))
    story.jump(HOUR)  # 3 GPU-hours
    assert (before.state, after.state) == (EXPIRED, GRANTED)
    story.jump(3 * HOUR)
    assert after.state is EXPIRED


# -- changes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enforce", [False, True])
def test_lowered_hours_end_what_runs_only_when_enforced(enforce: bool) -> None:
    story = story_of(gpu_hours_per_day=10)
    lease = story.ask(1.0)
    story.jump(5 * HOUR)
    story.core.set_quotas(story.now, Quotas(Quota(gpu_hours_per_day=4)), enforce=enforce)
    story.jump(1)
    if enforce:
        assert (lease.state, lease.code) == (EXPIRED, "gpu-hours")
        return
    assert lease.state is GRANTED
    assert story.ask(0.1).code == "gpu-hours"
    story.jump(11 * HOUR)  # past midnight: from then on the new quota counts
    assert lease.state is GRANTED
    story.jump(4 * HOUR)
    assert lease.state is EXPIRED


def test_other_windows_still_count_while_one_is_spared() -> None:
    story = story_of(gpu_hours_per_day=10)
    lease = story.ask(1.0)
    story.jump(5 * HOUR)
    story.core.set_quotas(story.now, Quotas(Quota(gpu_hours_per_day=4, gpu_hours_per_week=6)))
    story.jump(HOUR - 1)
    assert lease.state is GRANTED
    story.jump(1)
    assert lease.state is EXPIRED
    assert "6 GPU-hours for this week" in lease.message


def test_raised_hours_let_what_runs_go_on() -> None:
    story = story_of(gpu_hours_per_day=1)
    lease = story.ask(1.0)
    story.jump(HOUR / 2)
    story.core.set_quotas(story.now, Quotas(Quota(gpu_hours_per_day=2)))
    story.jump(HOUR)
    assert lease.state is GRANTED
    story.jump(HOUR / 2)
    assert lease.state is EXPIRED


# -- restarts -------------------------------------------------------------------------------------------


def test_a_restart_keeps_what_was_used_and_goes_on_counting() -> None:
    story = story_of(gpu_hours_per_day=4)
    ended = story.ask(1.0)
    story.jump(HOUR)
    story.release(ended)
    lease = story.ask(1.0)
    story.jump(HOUR)
    of_ended = [UsedTime("ada", "", False, period, 100 * HOUR) for period in Period]
    story.restart(HOUR, used=of_ended)
    assert [used(story, period) for period in Period] == [3, 3, 3]
    story.jump(HOUR - 1)
    assert lease.state is GRANTED
    story.jump(1)
    assert lease.state is EXPIRED


def test_hours_that_ran_out_while_the_pool_was_away_end_the_lease() -> None:
    story = story_of(gpu_hours_per_day=1)
    lease = story.ask(1.0)
    story.restart(2 * HOUR)
    story.core.tick(story.now)
    assert (lease.state, lease.code) == (EXPIRED, "gpu-hours")


def test_use_before_the_window_is_not_counted_after_a_restart() -> None:
    story = story_of()
    story.ask(1.0)
    story.restart(20 * HOUR)
    assert (used(story), used(story, Period.WEEK)) == (4, 20)


# -- days that are not 24 hours long --------------------------------------------------------------------


def at(zone: str, *when: int) -> float:
    return datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)])
def test_a_day_of_berlin_has_as_many_gpu_hours_as_hours(day: tuple[int, int, int], hours: int) -> None:
    story = Story(Policy(calendar=Calendar("Europe/Berlin"), quotas=Quotas(Quota(gpu_hours_per_day=hours))))
    story.now = at("Europe/Berlin", *day)
    story.server()
    lease = story.ask(1.0)
    story.jump(hours * HOUR - 1)
    assert used(story) == round(hours - 1 / HOUR, 6)
    story.jump(1)
    assert (used(story), lease.state) == (0, GRANTED)


def test_hours_run_out_within_the_day_on_which_the_clocks_change() -> None:
    """From midnight 5 GPU-hours last until 6:00 on the wall clock when an hour is skipped."""
    story = Story(Policy(calendar=Calendar("Europe/Berlin"), quotas=Quotas(Quota(gpu_hours_per_day=5))))
    story.now = at("Europe/Berlin", 2026, 3, 29)
    story.server()
    lease = story.ask(1.0)
    story.now = at("Europe/Berlin", 2026, 3, 29, 6) - 1
    story.jump(0)
    assert lease.state is GRANTED
    story.jump(1)
    assert lease.state is EXPIRED
    assert lease.message.endswith("the next day begins at Mon 30 Mar 00:00.")


def test_a_week_and_a_term_over_a_change_of_clocks() -> None:
    calendar = Calendar("Europe/Berlin", [date(2026, 10, 1), date(2027, 4, 1)])
    story = Story(Policy(calendar=calendar))
    story.now = at("Europe/Berlin", 2026, 10, 19)
    story.server()
    story.ask(1.0)
    story.now = at("Europe/Berlin", 2026, 10, 26) - HOUR
    story.jump(0)
    assert [used(story, period) for period in Period] == [24, 7 * 24, 7 * 24]
    story.jump(HOUR)
    assert [used(story, period) for period in Period] == [0, 0, 7 * 24 + 1]
