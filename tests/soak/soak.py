# SPDX-License-Identifier: BSD-3-Clause
"""Run ``soak.c`` on a lease over the null driver, and look at the memory of both sides as it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.remoting.build import NULL_DRIVER
from benchmarks.remoting.build import build as build_null_driver
from benchmarks.remoting.running import pool
from bfkernel.remote.cuda.find_header import cuda_include

HERE = Path(__file__).resolve().parent
MARKS = 20
# What is made in the beginning stays (stacks, arenas, tables): growth counts from a quarter of the way on.
SETTLED = MARKS // 4
MOST_GROWTH_KIB = 512
PATIENCE_S = 20


@dataclass(frozen=True)
class Sample:
    """Memory when so many launches were made: what a process has beside the files that it maps."""

    launches: int
    seconds: float
    client_kib: int
    worker_kib: int


def build(folder: Path) -> tuple[Path, Path]:
    """Compile the null driver, and the program into ``folder``; return their paths."""
    build_null_driver()
    driver, program = NULL_DRIVER, folder / "soak"
    flags = ["-O2", "-w", f"-I{cuda_include()}"]
    command = [os.environ.get("CC", "cc"), *flags, "-o", str(program), str(HERE / "soak.c"), str(driver)]
    subprocess.run(command, check=True)
    return driver, program


def samples(launches: int, step: int, folder: Path, transport: str = "auto") -> Iterator[Sample]:
    """Yield a sample for each of ``MARKS`` parts of the way; other calls come after each ``step`` launches.

    Raises CalledProcessError for a failure.
    """
    driver, program = build(folder)
    leased = [sys.executable, "-m", "bfkernel.cli.main", "run", "-p", "0.5", "--"]
    with pool(driver) as served:
        environment = {**os.environ, **served.environment, "BFKERNEL_TRANSPORT": transport}
        command = [*leased, str(program), str(launches), str(step), str(MARKS)]
        start = time.monotonic()
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdin
            assert running.stdout
            for line in running.stdout:
                client, worker = _client(running.pid, program), _worker(os.getpid())
                yield Sample(int(line), time.monotonic() - start, _memory_kib(client), _memory_kib(worker))
                running.stdin.write("\n")
                running.stdin.flush()
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)


def _client(holder: int, program: Path) -> psutil.Process:
    return _find(holder, program.name)


def _worker(ancestor: int) -> psutil.Process:
    return _find(ancestor, "bfkernel-worker")


def _find(ancestor: int, name: str) -> psutil.Process:
    family = [psutil.Process(ancestor), *psutil.Process(ancestor).children(recursive=True)]
    (found,) = [process for process in family if process.name() == name[:15]]
    return found


def _memory_kib(process: psutil.Process) -> int:
    """Anonymous and shared memory. Pages of libraries come and go with other processes that use them."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def growth_kib(taken: list[Sample]) -> tuple[int, int]:
    """How much the client and the worker have grown since they had settled."""
    first, last = taken[SETTLED - 1], taken[-1]
    return last.client_kib - first.client_kib, last.worker_kib - first.worker_kib
