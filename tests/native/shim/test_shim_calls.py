# SPDX-License-Identifier: BSD-3-Clause
"""The shim with a real pool, agent and worker behind it; the driver is softgpu."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bfkernel.remote import native_files

from .conftest import PROGRAMS, TIMEOUT_S, Run, serve


def counted(leased: Run, program: str, *arguments: str) -> tuple[int, int]:
    """Posted and waiting calls of a program."""
    result = leased(program, *arguments, BFKERNEL_LOG="stats")
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
    found = re.search(r"(\d+) posted and (\d+) waiting calls", result.stderr)
    assert found, result.stderr
    return int(found[1]), int(found[2])


@pytest.mark.parametrize(
    "program",
    [
        "copies_3d.py",
        "memory.py",
        "allocations.py",
        "plain_calls.py",
        "pools.py",
        "graphs.py",
        "conditions.py",
        "captures.py",
        "launch_events.py",
        "libraries.py",
        "images.py",
        "arrays.py",
        "green_contexts.py",
        "variables.py",
    ],
)
def test_program(leased: Run, program: str) -> None:
    result = leased(program)
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr


def test_what_is_known_of_a_kernel_is_not_asked_again(leased: Run) -> None:
    _, once = counted(leased, "kernel_answers.py", "1")
    _, often = counted(leased, "kernel_answers.py", "100")
    assert often == once


def test_news_of_the_lease_is_told_once_at_the_next_call(leased: Run) -> None:
    result = leased("news.py")
    assert result.stdout.split("\n")[:-1] == ["call 0"] * 5 + ["call 46"] * 2, result.stderr
    assert [line for line in result.stderr.splitlines() if line.startswith("[bfkernel]")] == [
        "[bfkernel] It is idle.",
        "[bfkernel] It is about to go.",
        "[bfkernel] GPU 0.1: It was idle for too long. Restart the kernel or program to ask for a new share.",
    ]


def test_several_gpus_in_one_lease(leased: Run) -> None:
    result = leased("devices.py", gpus=3)
    buses = result.stdout.strip().split(",")
    assert len(set(buses)) == 3, result.stderr
    chosen = leased("devices.py", gpus=3, CUDA_VISIBLE_DEVICES="2,0")
    assert len(chosen.stdout.strip().split(",")) == 2, chosen.stderr
    assert set(chosen.stdout.strip().split(",")) <= set(buses)


@pytest.mark.parametrize("transport", ["shared", "tcp"])
def test_a_stream_of_the_gpu_that_is_not_current(leased: Run, transport: str) -> None:
    result = leased("streams_two_gpus.py", gpus=2, BFKERNEL_TRANSPORT=transport)
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr


def test_a_graph_over_two_gpus(leased: Run) -> None:
    result = leased("graphs_two_gpus.py", gpus=2)
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr


@pytest.mark.parametrize("capability", ["8.0", "9.0"])
def test_tensor_maps_are_what_the_driver_makes_of_them(tmp_path: Path, leased: Run, capability: str) -> None:
    """Compute capability 9.0 is the first to have them. The program says the same with no shim between."""
    with serve(tmp_path / "pool", SOFTGPU_COMPUTE_CAPABILITY=capability) as (url, _):
        through = leased("tensor_maps.py", BFKERNEL_POOL_URL=url)
    (tmp_path / "libcuda.so.1").symlink_to(native_files.softgpu())
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "SOFTGPU_COMPUTE_CAPABILITY": capability}
    command = [sys.executable, str(PROGRAMS / "tensor_maps.py")]
    native = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert native.stdout.endswith("ok\n"), native.stderr
    assert through.stdout == native.stdout, through.stderr


def test_a_trace_names_every_call(leased: Run) -> None:
    result = leased("forks.py", BFKERNEL_LOG="debug")
    assert "cuMemAlloc_v2(" in result.stderr
    assert " us" in result.stderr


def test_a_launch_of_a_graph_is_one_posted_frame(leased: Run) -> None:
    posted, waiting = counted(leased, "graph_launches.py")
    assert 1000 <= posted < 1050
    assert waiting < 50


def test_a_number_that_is_looked_at_costs_one_round_trip(leased: Run) -> None:
    _, waiting = counted(leased, "synchronisations.py", "500")
    assert 500 <= waiting < 550


@pytest.mark.parametrize(("what", "trips"), [("rounds", 0), ("steps", 1)])
def test_allocations_cost_no_round_trip(leased: Run, what: str, trips: int) -> None:
    _, waiting = counted(leased, "allocations.py", what, "500")
    assert 500 * trips <= waiting < 500 * trips + 30


@pytest.mark.parametrize("what", ["pending", "done"])
def test_polling_sends_nothing(leased: Run, what: str) -> None:
    posted, waiting = counted(leased, "polls.py", what, "1000000")
    assert posted < 20
    assert waiting < 20


@pytest.mark.parametrize("size", [4096, 1 << 20, 64 << 20])
def test_allocations_in_stream_order_cost_no_round_trip(leased: Run, size: int) -> None:
    _, waiting = counted(leased, "pools.py", str(size), "500")
    assert waiting < 20
