# SPDX-License-Identifier: BSD-3-Clause
"""Shared memory where client and worker are on one machine, TCP where that is not wanted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import BFKERNEL, PROGRAMS, TIMEOUT_S, Run, serve

BOTH = pytest.mark.parametrize("transport", ["shared", "tcp"])


@BOTH
@pytest.mark.parametrize(
    "program",
    [
        "page_locked.py",
        "streams.py",
        "copies.py",
        "copies_behind_kernels.py",
        "synchronisations.py",
        "threads.py",
        "polls.py",
        "forks.py",
        "faults.py",
    ],
)
def test_programs_behave_the_same(leased: Run, program: str, transport: str) -> None:
    result = leased(program, BFKERNEL_TRANSPORT=transport)
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr


@BOTH
def test_a_worker_that_dies_is_an_error_within_a_second(leased: Run, transport: str) -> None:
    result = leased("worker_death.py", BFKERNEL_TRANSPORT=transport)
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
    assert result.stderr.count("connection to the GPU server is lost") == 1


@pytest.mark.parametrize(
    ("chosen", "used"),
    [("", "shared memory"), ("auto", "shared memory"), ("shared", "shared memory"), ("tcp", "TCP")],
)
def test_programs_beside_their_worker_share_memory_unless_told(leased: Run, chosen: str, used: str) -> None:
    result = leased("transport.py", BFKERNEL_TRANSPORT=chosen)
    assert result.stdout == f"{used}\n", result.stderr


def test_a_word_that_is_no_transport_is_told(leased: Run) -> None:
    result = leased("transport.py", BFKERNEL_TRANSPORT="pigeon")
    assert result.returncode != 0
    assert "BFKERNEL_TRANSPORT is 'pigeon'; set it to auto, tcp or shared" in result.stderr


def test_a_server_may_serve_over_tcp_only(tmp_path: Path) -> None:
    with serve(tmp_path, "--tcp-only") as (url, _):

        def run(transport: str) -> subprocess.CompletedProcess[str]:
            command = [*BFKERNEL, "run", "-p", "0.1", "--", sys.executable, str(PROGRAMS / "transport.py")]
            environment = {**os.environ, "BFKERNEL_POOL_URL": url, "BFKERNEL_TRANSPORT": transport}
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)

        assert run("auto").stdout == "TCP\n"
        refused = run("shared")
        assert refused.returncode != 0
        assert "BFKERNEL_TRANSPORT is shared, but the GPU server is on another machine" in refused.stderr
