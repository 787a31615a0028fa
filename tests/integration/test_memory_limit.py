# SPDX-License-Identifier: BSD-3-Clause
"""The lease's memory limit as programs meet it: enforced in the worker, shared by the lease's processes, given back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import PROGRAMS, Pool, Process, bfkernel, last_json, softgpu_options, wait_for

MIB = 1 << 20


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    running = Pool(tmp_path_factory.mktemp("pool"), *softgpu_options())
    yield running
    running.close()


@pytest.fixture
def program(pool: Pool) -> Iterator[object]:
    started: list[Process] = []

    def start(name: str, *arguments: str, **options: object) -> Process:
        started.append(pool.run(name, *arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for process in started:
        process.close()


def test_fraction_is_seen_by_every_query(program) -> None:
    process = program("memory", "fill", share=("-p", "0.02"))
    assert process.finish() == 0, process.text()
    seen = last_json(process)
    assert seen["total"] == seen["device_total"] == 655 * MIB
    assert seen["free_before"] == seen["total"], "an emulated context costs no memory"


def test_past_the_limit_is_out_of_memory_and_freeing_gives_all_back(program) -> None:
    process = program("memory", "fill", share=("-m", "64"))
    assert process.finish() == 0, process.text()
    seen = last_json(process)
    assert "CUDA_ERROR_OUT_OF_MEMORY" in seen["error"]
    assert seen["total"] == 64 * MIB
    assert seen["held"] == 64 * MIB, "the whole share can be used"
    assert seen["free_full"] == 0
    assert seen["free_after"] == seen["free_before"]


def test_two_processes_of_one_lease_share_the_limit(pool: Pool, tmp_path: Path) -> None:
    script = tmp_path / "two.sh"
    memory = f"{sys.executable} {PROGRAMS / 'memory.py'}"
    script.write_text(
        f"{memory} hold 40 & first=$!\nfor i in $(seq 100); do sleep 0.1; [ -e held ] && break; done\nsleep 3\n"
        f"{memory} hold 40\nkill $first\n"
    )
    process = bfkernel(
        "run", "-m", "64", "--", "bash", str(script), env={"BFKERNEL_POOL_URL": pool.url, "PWD": str(tmp_path)}
    )
    try:
        process.expect("holding")
        wait_for("the second process's refusal", lambda: "CUDA_ERROR_OUT_OF_MEMORY" in process.text(), 40)
    finally:
        process.close()


def test_ten_thousand_rounds_leave_the_worker_flat(pool: Pool, program) -> None:
    process = program("memory", "rounds", "10000", share=("-m", "64"))
    process.expect("warm")
    worker = wait_for("the worker", lambda: pool.workers())[-1]
    warm = worker.memory_info().rss
    process.expect("done", 100)
    grown = worker.memory_info().rss - warm
    assert process.finish() == 0, process.text()
    seen = last_json(process)
    assert seen["free_after"] == seen["free_before"]
    assert grown < 4 * MIB, f"the worker grew by {grown >> 10} KiB"
