# SPDX-License-Identifier: BSD-3-Clause
"""The workers of a pool as the server's kernel sees them, and which cores processes are on."""

from __future__ import annotations

import os
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from .running import Figures, Pool

_CORES = sorted(os.sched_getaffinity(0))
FIRST_CORE, LAST_CORE = _CORES[0], _CORES[-1]


def on_core(core: int) -> list[str]:
    """Return the words before a command that is to stay on a core."""
    return ["taskset", "-c", str(core)]


def pin(pid: int, core: int) -> None:
    """Keep a process' main thread on a core; its other threads stay free."""
    os.sched_setaffinity(pid, {core})


def workers(of: Pool) -> list[psutil.Process]:
    """Return a pool's workers."""
    return [each for each in psutil.Process(of.pid).children(recursive=True) if "worker" in each.name()]


def cpu_s(of: Pool) -> float:
    """Return the CPU seconds of a pool's workers, to the nanosecond."""
    threads = [thread for worker in workers(of) for thread in _threads(worker.pid)]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def memory(of: Pool) -> Figures:
    """Return the memory of a pool's workers."""
    all_of_it = [worker.memory_full_info() for worker in workers(of)]
    return {
        "pss_mib": sum(each.pss for each in all_of_it) / 2**20,
        "rss_mib": sum(each.rss for each in all_of_it) / 2**20,
    }


def _threads(pid: int) -> list[Path]:
    return list(Path("/proc", str(pid), "task").iterdir())
