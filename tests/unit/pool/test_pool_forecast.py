# SPDX-License-Identifier: BSD-3-Clause
"""When a request will be served: from limits, from history, or unknown."""

from __future__ import annotations

from pool_story import HOUR, Story, policy

from bfkernel.remote.records import Lease


def eta(story: Story, lease: Lease) -> float | None:
    return story.core.eta_s(story.now, lease)


def full_story(**quota: float) -> Story:
    story = Story(policy(**quota))
    story.server()
    return story


def test_limits_of_running_leases_say_when() -> None:
    story = full_story(longest_lease_s=HOUR)
    story.ask(0.5, user="bob")
    story.jump(600)
    story.ask(0.5, user="cleo")
    half, whole = story.ask(0.5, user="dan"), story.ask(1.0, user="eve")
    assert eta(story, half) == HOUR - 600
    # The first half that becomes free is dan's: eve needs a whole one after it, which nobody knows of.
    assert eta(story, whole) is None
    story.jump(60)
    assert eta(story, half) == HOUR - 660


def test_history_says_when_at_the_median() -> None:
    story = full_story()
    for minutes in (1, 2, 3, 4, 100):
        lease = story.ask(1.0)
        story.jump(minutes * 60)
        story.release(lease)
    story.ask(1.0)
    waiting = story.ask(1.0, user="bob")
    assert eta(story, waiting) == 3 * 60
    # Of those that lasted longer than 2 minutes the median is 4.
    story.jump(150)
    assert eta(story, waiting) == 240 - 150
    # With only one that lasted longer, nothing is known.
    story.jump(200)
    assert eta(story, waiting) is None


def test_a_restart_keeps_the_history(one_card: Story) -> None:
    one_card.ask(1.0)
    waiting = one_card.ask(1.0, user="bob")
    assert eta(one_card, waiting) is None
    one_card.restart(durations_s=[60, 60, 60])
    assert eta(one_card, waiting) == 60


def test_an_idle_lease_is_expected_back() -> None:
    story = full_story(longest_idle_s=60)
    story.ask(1.0)
    waiting = story.ask(1.0, user="bob")
    assert eta(story, waiting) is None
    story.jump(60)
    assert eta(story, waiting) == 300


def test_without_limits_or_history_it_is_unknown(one_card: Story) -> None:
    one_card.ask(1.0)
    assert eta(one_card, one_card.ask(1.0)) is None


def test_what_no_server_can_serve_now_is_unknown() -> None:
    story = full_story(longest_lease_s=HOUR)
    story.ask(1.0)
    waiting = story.ask(1.0, user="bob")
    assert eta(story, waiting) == HOUR
    story.core.cordon(story.now, "gpu1", True)
    assert eta(story, waiting) is None


def test_leases_of_cordoned_servers_free_nothing() -> None:
    story = full_story(longest_lease_s=HOUR)
    story.ask(1.0)
    story.jump(60)
    story.server("gpu2")
    story.ask(1.0)
    story.core.cordon(story.now, "gpu1", True)
    assert eta(story, story.ask(1.0)) == HOUR


def test_who_came_since_the_forecast_was_made_counts_as_the_last() -> None:
    story = full_story(longest_lease_s=HOUR)
    story.ask(0.5)
    story.jump(600)
    story.ask(0.5)
    first = story.ask(0.5, user="bob")
    assert eta(story, first) == HOUR - 600
    second = story.ask(0.5, user="cleo")
    assert eta(story, second) == HOUR
