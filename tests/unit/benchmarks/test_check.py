# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark's limits and comparisons: what counts as worse."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.remoting import check
from benchmarks.remoting.comparisons import Bound, Comparison, comparisons
from benchmarks.remoting.figures import FIGURES, At

FAST = Comparison("fast.tcp", "fast", At("calls", "tcp", "us"), over=At("floors", "floor", "us"))
EXTRA = Comparison("extra.tcp", "extra", At("calls", "tcp", "us"), minus=At("floors", "floor", "us"))


def taken(*rounds: tuple[float, float]) -> dict[str, Any]:
    return {
        "calls": {"tcp": [{"us": value} for value, _ in rounds]},
        "floors": {"floor": [{"us": floor} for _, floor in rounds]},
    }


def test_a_limit_is_a_name_a_sign_and_a_number() -> None:
    text = "# what may be\n\nlaunch.tcp  <= 1.5  # slack\ncopy/wire.tcp >= 0.4\n"
    assert check.parse(text) == {"launch.tcp": Bound("<=", 1.5), "copy/wire.tcp": Bound(">=", 0.4)}


@pytest.mark.parametrize("line", ["launch.tcp < 1", "launch.tcp <= fast", "launch.tcp <=", "a <= 1 2"])
def test_a_line_that_is_no_limit_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="no limit") as raised:
        check.parse(line)
    assert line in str(raised.value)


def test_a_ratio_is_taken_within_a_round() -> None:
    # A machine that is ten times slower in one round is so for the floor too.
    assert FAST.median(taken((2, 1), (30, 10), (40, 10))) == 3
    assert EXTRA.median(taken((2, 1), (12, 10), (15, 10))) == 2


def test_worse_is_what_is_past_its_limit() -> None:
    rounds = taken((3, 1), (3, 1), (9, 1))
    assert check.worse(rounds, {"fast.tcp": Bound("<=", 3)}, [FAST]) == []
    assert check.worse(rounds, {"fast.tcp": Bound(">=", 4)}, [FAST]) == [(FAST, 3, Bound(">=", 4))]


def test_what_was_not_measured_is_not_worse() -> None:
    assert check.worse({"calls": {}}, {"fast.tcp": Bound("<=", 1)}, [FAST]) == []


def test_a_limit_of_something_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match=r"slow\.tcp"):
        check.worse({}, {"slow.tcp": Bound("<=", 1)}, [FAST])


def test_the_limits_of_the_project_are_of_things_that_are_compared() -> None:
    check.worse({}, check.parse(check.LIMITS.read_text()), comparisons())


def test_comparisons_have_names_of_their_own_and_figures_that_are_measured() -> None:
    made = comparisons()
    assert len({each.name for each in made}) == len(made)
    known = {(section, figure.name) for section, figures in FIGURES.items() for figure in figures}
    for each in made:
        for at in (each.value, each.over, each.minus):
            assert at is None or (at.section, at.figure) in known, each.name
