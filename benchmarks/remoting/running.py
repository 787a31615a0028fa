# SPDX-License-Identifier: BSD-3-Clause
"""Running programs, pools and leases, here or in a network namespace (``where``: words before a command)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .build import ROOT

Figures = dict[str, float]
Environment = dict[str, str]
RUN_LIMIT_S = 300
#: What is shown of a pool's log when something has failed.
LOG_LINES = 12
END_S = 20
_STATS = re.compile(r"(\d+) posted and (\d+) waiting calls, (\d+) bytes sent")


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, where: Sequence[str] = ()
) -> Figures:
    """Run a program; return the figures that it prints, and those of ``BFKERNEL_LOG=stats`` if asked for."""
    done = subprocess.run(
        [*where, *command], env={**os.environ, **(environment or {})}, timeout=RUN_LIMIT_S,
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        msg = f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr}"
        raise Failed(msg)
    return {**figures(done.stdout), **_stats(done.stderr)}


def figures(text: str) -> Figures:
    """Read lines of a name and a number."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}


def _stats(text: str) -> Figures:
    found = _STATS.search(text)
    names = ("posted_calls", "waiting_calls", "sent_bytes")
    return dict(zip(names, map(float, found.groups()), strict=True)) if found else {}


class Failed(Exception):
    """A program of the benchmark has failed; says which, and what it said."""


class Pool:
    """A pool with one GPU server, of one GPU with the given driver."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str) -> None:
        self.pid = process.pid
        self.environment = {"BFKERNEL_POOL_URL": url, **({"BFKERNEL_TOKEN": token} if token else {})}


@contextmanager
def pool(driver: Path, host: str = "127.0.0.1", where: Sequence[str] = ()) -> Iterator[Pool]:
    """Serve ``driver`` until the end of the block."""
    command = [*where, sys.executable, "-m", "bfkernel.cli", "serve", f"--driver={driver}"]
    command += [f"--host={host}", "--port=0", "--data-port=0", f"--advertise={host}"]
    with tempfile.TemporaryDirectory(prefix="bfkernel-bench-") as folder:
        token = ""
        if host != "127.0.0.1":
            token = os.urandom(16).hex()
            tokens = Path(folder, "tokens")
            tokens.touch(mode=0o600)
            tokens.write_text(f"bench {token}\n")
            command.append(f"--token-file={tokens}")
        log = Path(folder, "log")
        with log.open("w") as errors:
            process = subprocess.Popen(
                [*command, f"--state-dir={folder}/state"], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        with ended(process):
            ready = _line(process).split()
            if len(ready) != 2:
                msg = f"the pool did not start:\n{log.read_text()}"
                raise Failed(msg)
            try:
                yield Pool(process, ready[1], token)
            except Failed:
                print("\n".join(log.read_text().splitlines()[-LOG_LINES:]), file=sys.stderr)
                raise


@contextmanager
def leases(
    of: Pool, count: int = 1, fraction: float = 0.5, where: Sequence[str] = ()
) -> Iterator[list[Environment]]:
    """Hold leases until the end of the block; yield what a program on each needs in its environment."""
    command = [*where, sys.executable, "-m", "benchmarks.remoting.holding", str(count), str(fraction)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, **of.environment},
    )  # fmt: skip
    with ended(process):
        line = _line(process)
        if not line:
            msg = f"no {count} leases of {fraction} of a GPU"
            raise Failed(msg)
        yield json.loads(line)


class Client:
    """A ``native/client.c``: a program with a GPU that does what it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def tell(self, order: str) -> None:
        """Give an order, and do not wait for what comes of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def answer(self) -> float:
        """Wait for the answer to the oldest order."""
        return float(_line(self._process))


@contextmanager
def clients(command: Sequence[str], environments: Sequence[Environment]) -> Iterator[list[Client]]:
    """Start a client in each of the environments, until the end of the block; all are ready.

    Each is a session of its own, as Jupyter's kernels are and the workers too: in one session Linux would
    give them all together what it gives to one worker (autogroup), and some of them next to nothing.
    """
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, **each},
        )
        for each in environments
    ]  # fmt: skip
    try:
        for process in processes:
            if _line(process).strip() != "ready":
                msg = f"{' '.join(command)} did not start"
                raise Failed(msg)
        yield [Client(process) for process in processes]
    finally:
        for process in processes:
            end(process)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """End a process when the block ends."""
    try:
        yield
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Close a process' stdin and ask it to end; it is killed if it does not."""
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        print(f"{process.args!r} did not end in {END_S} s and was killed", file=sys.stderr)
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()
