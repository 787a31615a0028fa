# SPDX-License-Identifier: BSD-3-Clause
"""Real processes for the integration tests: pools, agents, and programs that run on a lease.

Every process runs in a process group of its own and is killed with it; every wait has a limit and says what it
waited for.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

PROGRAMS = Path(__file__).resolve().parent / "programs"
START_LIMIT_S = 60.0


def wait_for(what: str, condition: Callable[[], Any], limit_s: float = 20.0) -> Any:
    """Return the first truthy value of ``condition``, or fail with what was waited for."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    msg = f"waited {limit_s} s in vain for {what}"
    raise AssertionError(msg)


class Process:
    """A child with its output read line by line in the background."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None, **options: Any) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self.popen = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.popen.stdout, self.out, True), daemon=True),
            threading.Thread(target=self._read, args=(self.popen.stderr, self.err, False), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, kept: list[str], queued: bool) -> None:
        for line in stream:
            kept.append(line.rstrip("\n"))
            if queued:
                self.lines.put(kept[-1])

    def expect(self, prefix: str, limit_s: float = START_LIMIT_S) -> str:
        """Return the next line of stdout that starts with ``prefix``."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=0.2)
            except queue.Empty:
                if self.popen.poll() is not None and self.lines.empty():
                    break
                continue
            if line.startswith(prefix):
                return line
        msg = f"no line '{prefix}…' within {limit_s} s, exit code {self.popen.poll()}; it said:\n{self.text()}"
        raise AssertionError(msg)

    def expect_err(self, text: str, limit_s: float = 20.0) -> str:
        """Return the first line of stderr that contains ``text``."""
        return str(wait_for(f"'{text}' on stderr", lambda: next((x for x in self.err if text in x), None), limit_s))

    def text(self) -> str:
        """Return all that the child said so far."""
        return "\n".join(["--- stdout", *self.out, "--- stderr", *self.err])

    def finish(self, limit_s: float = 60.0) -> int:
        """Wait for the child's own end and return its exit code."""
        try:
            code = self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            msg = f"the process did not end within {limit_s} s; it said:\n{self.text()}"
            raise AssertionError(msg) from None
        for reader in self._readers:
            reader.join(5)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the child alone."""
        self.popen.send_signal(number)

    def close(self) -> None:
        """Kill the child's whole group."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait(10)


def bfkernel(*arguments: str, env: dict[str, str] | None = None) -> Process:
    """Start the ``bfkernel`` command."""
    return Process([sys.executable, "-m", "bfkernel.cli.main", *arguments], env)


class Pool:
    """A running ``bfkernel serve`` (or ``pool``), and what its clients need."""

    def __init__(self, state_dir: Path, *options: str, command: str = "serve") -> None:
        self.state_dir, self.options, self.command = state_dir, options, command
        self.process = self._start("0")
        self.url = self.process.expect("ready ").split()[1]

    def _start(self, port: str) -> Process:
        return bfkernel(self.command, "--port", port, "--state-dir", str(self.state_dir), *self.options)

    def restart(self) -> None:
        """Start again on the same port after ``process`` has ended."""
        self.process = self._start(self.url.rsplit(":", 1)[1])
        self.process.expect("ready ")

    def leases(self) -> list[dict[str, Any]]:
        """Return the live leases."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/v1/leases", timeout=10).json()
        return found

    def run(self, program: str, *arguments: str, share: tuple[str, ...] = ("-m", "64"), **env: str) -> Process:
        """Start ``programs/PROGRAM.py`` on a lease of its own."""
        script = [sys.executable, str(PROGRAMS / f"{program}.py"), *arguments]
        return bfkernel("run", *share, "--", *script, env={"BFKERNEL_POOL_URL": self.url, **env})

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes below this pool's agent."""
        try:
            children = psutil.Process(self.process.popen.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if "bfkernel-worker" in _name(child)]

    def close(self) -> None:
        """Kill it and all below it."""
        self.process.close()


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()[:1])
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def softgpu_options(memory: str = "32GiB", ttl: str = "5s") -> list[str]:
    """Options of ``serve`` for one emulated GPU on free ports."""
    return ["--data-port", "0", "--driver", "softgpu", "--softgpus", "1", "--softgpu-memory", memory, "--lease-ttl", ttl]


def last_json(process: Process) -> Any:
    """Return the last line of stdout, parsed."""
    return json.loads(process.out[-1])
