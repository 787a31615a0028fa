# SPDX-License-Identifier: BSD-3-Clause
"""Functions of the program in its streams, and the connection that calls them back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import psutil

from tests.waiting import eventually

from .conftest import Run

Start = Callable[..., "subprocess.Popen[str]"]


def test_order_blocking_and_errors(leased: Run) -> None:
    result = leased("host_functions.py")
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr


def test_a_program_that_ends_within_a_function(leased: Run, workers: Callable[[], list[int]]) -> None:
    result = leased("host_functions.py", "leave")
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
    eventually(lambda: not workers())


def test_killed_within_a_function_no_worker_stays(
    start_leased: Start, workers: Callable[[], list[int]]
) -> None:
    program = start_leased("host_functions.py", "hold")
    assert program.stdout
    assert program.stdout.readline() == "inside\n"
    assert len(workers()) == 1
    for child in psutil.Process(program.pid).children(recursive=True):
        child.kill()
    eventually(lambda: not workers())


def test_only_a_worker_of_ones_own_lease_can_be_joined(start_leased: Start) -> None:
    other = start_leased("joins.py", stdin=subprocess.PIPE)
    assert other.stdout
    stolen = other.stdout.readline()
    program = start_leased("joins.py", stdin=subprocess.PIPE)
    out, _ = program.communicate(stolen + "0" * 32 + "\n", timeout=40)
    assert out.splitlines()[1:] == ["no-such-worker", "no-such-worker", "ok"]
    out, _ = other.communicate(timeout=40)
    assert out == "ok\n", "and the other program is not disturbed"
