# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark's tables, and what programs print."""

from __future__ import annotations

import pytest

from benchmarks.remoting.running import figures
from benchmarks.remoting.tables import between_marks, number, table


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123 µs"), (12.34, "12.3 µs"), (1932570, "1,932,570 µs"), (None, "-")]
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value, "µs") == text


def test_a_table_stands_between_its_marks() -> None:
    page = "a\n<!-- one -->\n\nold\n\n<!-- /one -->\nb\n<!-- two -->\n\nkept\n\n<!-- /two -->\n"
    once = between_marks(page, "one", table(["x", "y"], [["p", "1"]]))
    assert once == page.replace("old", "| x | y |\n| --- | ---: |\n| p | 1 |")
    assert between_marks(once, "one", "old") == page


def test_a_page_without_the_marks_stays() -> None:
    assert between_marks("nothing here\n", "one", "table") == "nothing here\n"


def test_figures_are_lines_of_a_name_and_a_number() -> None:
    assert figures("launch_us 0.5\n\nstep_ms 12\n") == {"launch_us": 0.5, "step_ms": 12}
