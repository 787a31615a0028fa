# SPDX-License-Identifier: BSD-3-Clause
"""Large copies over several TCP streams."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.waiting import eventually

from .conftest import Run

COPIED = 3 * 4 * 3 * (5 << 20)  # by programs/stripes.py: threads, turns, ways


def striped_bytes(result: subprocess.CompletedProcess[str]) -> int:
    """How many bytes went over stripes, as the program's end tells."""
    found = re.search(r"(\d+) there and back over stripes", result.stderr)
    assert found, result.stderr
    return int(found[1])


@pytest.mark.parametrize("what", ["copies", "fork"])
def test_large_copies_between_other_calls_keep_their_bytes(leased: Run, what: str) -> None:
    result = leased(
        "stripes.py", "4", what, BFKERNEL_TRANSPORT="tcp", BFKERNEL_STRIPES="4", BFKERNEL_LOG="stats"
    )
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
    assert striped_bytes(result) > COPIED * 0.9


@pytest.mark.parametrize(("transport", "asked"), [("tcp", "auto"), ("tcp", "0"), ("shared", "4")])
def test_none_where_they_do_not_help_or_are_not_wanted(leased: Run, transport: str, asked: str) -> None:
    result = leased(
        "stripes.py",
        "0",
        "copies",
        BFKERNEL_TRANSPORT=transport,
        BFKERNEL_STRIPES=asked,
        BFKERNEL_LOG="stats",
    )
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
    assert striped_bytes(result) == 0


def test_a_stripe_that_breaks_ends_the_connection(leased: Run, workers: Callable[[], list[int]]) -> None:
    result = leased("stripes.py", "2", "break", BFKERNEL_TRANSPORT="tcp", BFKERNEL_STRIPES="2")
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
    assert result.stderr.count("connection to the GPU server is lost") == 1
    eventually(lambda: not workers())


@pytest.mark.parametrize("word", ["many", "9", "-1", "4x"])
def test_a_word_that_is_no_number_of_stripes_is_told(leased: Run, word: str) -> None:
    result = leased("transport.py", BFKERNEL_STRIPES=word)
    assert result.returncode != 0
    assert f"BFKERNEL_STRIPES is '{word}'; set it to auto or a number from 0 to 8" in result.stderr
