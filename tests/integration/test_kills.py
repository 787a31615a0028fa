# SPDX-License-Identifier: BSD-3-Clause
"""Programs that end, crash, fork or are killed in the middle of anything leave nothing in the GPU server."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.waiting import eventually

from .conftest import Pool
from .jupyter_processes import BFKERNEL, Processes, read_line
from .leased_program import PROGRAMS, LeasedProgram, worker_processes

TOGETHER = 6
#: The instants of death lie within so long of a start, or longer where programs take longer to begin.
KILLED_WITHIN_S = 0.8
KILLED_WITHIN_AT_MOST_S = 12.8
#: So long after the death of the last program, no worker may be left. Nearly always it is a moment; a program
#: that dies just when its data has begun to wait for a kernel is found dead by TCP's own patience.
LIMIT_S = 45.0
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV)
SHOW_ENVIRONMENT = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); time.sleep(7200)"


def descriptors(process: subprocess.Popen[str]) -> Counter[str]:
    """Return what the server has open, by kind: sockets of HTTP come and go, the rest must not grow."""
    kinds: Counter[str] = Counter()
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        kinds[target.partition(":[")[0].partition(" ")[0]] += 1
    return kinds


def shared_memory() -> set[str]:
    """Return the names of shared memory; a database of other tests may come and go meanwhile."""
    return {path.name for path in Path("/dev/shm").iterdir() if not path.name.startswith("PostgreSQL.")}


def lease_environment(processes: Processes, env: dict[str, str]) -> dict[str, str]:
    """Take a lease that lasts as long as the test, and return the environment of its programs."""
    command = [*BFKERNEL, "run", "-m", "256", "--", sys.executable, "-c", SHOW_ENVIRONMENT]
    return dict(json.loads(read_line(processes.start(command, env))))


class Victims:
    """Starts programs that use a lease, and kills each at an instant of chance."""

    def __init__(self, env: dict[str, str], seed: int, log: Path) -> None:
        self._env = env
        self._chance = random.Random(seed)
        self._log = log
        self._killed_within_s = KILLED_WITHIN_S
        self.ends: Counter[int] = Counter()

    def kill_some(self, count: int) -> None:
        """Start ``count`` of them at once; return when all are dead, and what they forked as well."""
        with self._log.open("a") as log:
            running = [self._start(log) for _ in range(count)]
        for at, victim, how in sorted(running, key=lambda entry: entry[0]):
            self._end(at, victim, how)

    def let_live_longer(self) -> None:
        """Kill the next ones later."""
        self._killed_within_s = min(2 * self._killed_within_s, KILLED_WITHIN_AT_MOST_S)

    def _start(self, log: object) -> tuple[float, subprocess.Popen[bytes], signal.Signals]:
        command = [sys.executable, "-IS", str(PROGRAMS / "victim.py"), str(self._chance.getrandbits(32))]
        victim = subprocess.Popen(
            command,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,  # type: ignore[call-overload]
            start_new_session=True,
        )
        at = time.monotonic() + self._chance.uniform(0.0, self._killed_within_s)
        return at, victim, self._chance.choice(SIGNALS)

    def _end(self, at: float, victim: subprocess.Popen[bytes], how: signal.Signals) -> None:
        try:
            self.ends[victim.wait(max(0.0, at - time.monotonic()))] += 1
        except subprocess.TimeoutExpired:
            victim.send_signal(how)
            try:
                self.ends[victim.wait(2.0)] += 1
            except subprocess.TimeoutExpired:
                # SIGTERM and SIGINT wait for Python, which waits for the GPU.
                victim.kill()
                self.ends[victim.wait(10.0)] += 1
        # Children of a fork that go on by themselves are programs of their own, killed too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(victim.pid, signal.SIGKILL)


def until_no_worker_is_left(pool: Pool) -> float:
    """Wait for it, and return how long it took, in seconds."""
    began = time.monotonic()
    eventually(lambda: not worker_processes(pool.process), LIMIT_S, "the end of all workers")
    return time.monotonic() - began


def kill_programs(
    pool: Pool, processes: Processes, env: dict[str, str], folder: Path, rounds: int, seed: int
) -> None:
    """Do the whole thing; what fails is told by assertions."""
    programs = lease_environment(processes, env)
    try:
        check_kills(pool, processes, programs, folder, rounds, seed)
    finally:
        end_what_outlived_them(programs["BFKERNEL_LEASE_FILE"])


def end_what_outlived_them(lease_file: str) -> None:
    """Kill what the programs started to live on without them."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("BFKERNEL_LEASE_FILE") == lease_file:
                process.kill()


def check_kills(
    pool: Pool, processes: Processes, programs: dict[str, str], folder: Path, rounds: int, seed: int
) -> None:
    victims = Victims(programs, seed, folder / "victims.log")
    victims.kill_some(TOGETHER)  # the server opens some files once and for all
    until_no_worker_is_left(pool)
    before, shared = descriptors(pool.process), shared_memory()
    slowest = 0.0
    for _ in range(rounds):
        if started_workers(processes) < sum(victims.ends.values()) / 2:
            victims.let_live_longer()
        victims.kill_some(TOGETHER)
        slowest = max(slowest, until_no_worker_is_left(pool))
    started = started_workers(processes)
    print(f"{sum(victims.ends.values())} programs, {started} workers, ends {dict(victims.ends)}")
    print(f"the last worker of a round ended at most {slowest:.2f} s after its program")
    assert started > rounds * TOGETHER / 3, "most programs were killed before they had begun"
    eventually(lambda: pool.lease()["held_mib"] == 0 and pool.lease()["workers"] == 0, 10, "an empty lease")
    eventually(lambda: not grown(pool, before), 10, "the end of all that was opened for them")
    assert not zombies(pool), "the agent has not waited for its workers"
    assert shared_memory() <= shared
    assert whole_lease_can_be_had(programs), "memory is charged for programs that are dead"


def started_workers(processes: Processes) -> int:
    return processes.logs_of("serve").count(" worker-started ")


def grown(pool: Pool, before: Counter[str]) -> Counter[str]:
    now = descriptors(pool.process)
    now["socket"] -= 8  # of HTTP, as they come and go
    return now - before


def zombies(pool: Pool) -> list[int]:
    children = psutil.Process(pool.process.pid).children(recursive=True)
    return [child.pid for child in children if child.status() == psutil.STATUS_ZOMBIE]


def whole_lease_can_be_had(env: dict[str, str]) -> bool:
    code = "from device import *; open_device(); call('cuMemAlloc', call('cuMemGetInfo')[1]); print('had')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "PYTHONPATH": str(PROGRAMS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout == "had\n"


@pytest.fixture
def pool(make_pool):
    """A pool with one emulated GPU of 1 GiB."""
    return make_pool("--softgpus=1", "--softgpu-memory=1GiB")


def test_fifty_programs_that_die_leave_nothing(pool, processes, env, tmp_path):
    kill_programs(pool, processes, env, tmp_path, rounds=9, seed=1)


@pytest.mark.parametrize(("transport", "stripes"), [("tcp", "0"), ("tcp", "3"), ("shared", "0")])
def test_who_dies_while_its_data_waits_for_an_endless_kernel_leaves_nothing(
    pool, processes, env, transport, stripes
):
    chosen = {"BFKERNEL_TRANSPORT": transport, "BFKERNEL_STRIPES": stripes}
    programs = lease_environment(processes, {**env, **chosen})
    victim = subprocess.Popen(
        [sys.executable, str(PROGRAMS / "endless.py")], env=programs, stdout=subprocess.PIPE, text=True
    )
    assert read_line(victim) == "uploading\n"
    if transport == "tcp":
        eventually(lambda: " role=lifeline " in processes.logs_of("serve"), 20, "the program's lifeline")
    else:
        time.sleep(1)  # until nothing more has room
    victim.kill()
    victim.wait(10)
    assert until_no_worker_is_left(pool) < 10


@pytest.mark.slow
@pytest.mark.parametrize("stripes", ["0", "3"])
def test_data_that_waits_long_for_a_kernel_does_not_end_the_connection(pool, processes, env, stripes):
    longer_than_tcp_waits = "30"
    over_tcp = {**env, "BFKERNEL_TRANSPORT": "tcp", "BFKERNEL_STRIPES": stripes}
    program = LeasedProgram(processes, over_tcp, "endless", longer_than_tcp_waits, share=("-m", "256"))
    program.expect("uploading")
    program.expect("still connected", 60)
    program.process.terminate()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_programs_that_die_leave_nothing(pool, processes, env, tmp_path):
    seed = int(os.environ.get("BFKERNEL_TEST_SEED") or time.time())
    print(f"BFKERNEL_TEST_SEED={seed}")
    kill_programs(pool, processes, env, tmp_path, rounds=167, seed=seed)
