# SPDX-License-Identifier: BSD-3-Clause
"""Programs of ``programs/`` that run under ``bfkernel run``, each on a lease of its own."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from .jupyter_processes import BFKERNEL, Processes

PROGRAMS = Path(__file__).resolve().parent / "programs"


class LeasedProgram:
    """A running program and what it printed; stderr is in the test's logs."""

    def __init__(
        self,
        processes: Processes,
        env: Mapping[str, str],
        program: str,
        *arguments: str,
        share: tuple[str, ...] = ("-m", "64"),
    ) -> None:
        command = [sys.executable, str(PROGRAMS / f"{program}.py"), *arguments]
        environment = {**env, "PYTHONUNBUFFERED": "1"}
        self.process = processes.start([*BFKERNEL, "run", *share, "--", *command], environment)
        self.lines: list[str] = []
        self._unread: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._unread.put(self.lines[-1])

    def expect(self, prefix: str, limit_s: float = 40.0) -> str:
        """Return the next line that starts with ``prefix``."""
        give_up = time.monotonic() + limit_s
        while time.monotonic() < give_up:
            try:
                line = self._unread.get(timeout=0.2)
            except queue.Empty:
                assert self.process.poll() is None, f"ended before '{prefix}': {self.lines}"
                continue
            if line.startswith(prefix):
                return line
        msg = f"no line '{prefix}…' within {limit_s:g} s: {self.lines[-20:]}"
        raise AssertionError(msg)

    def finish(self, limit_s: float = 60.0) -> int:
        """Wait for the program's own end and return its exit code."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            msg = f"the program did not end within {limit_s:g} s: {self.lines[-20:]}"
            raise AssertionError(msg) from None
        self._reader.join(5)
        return code

    def seen(self) -> dict[str, Any]:
        """Wait for success and return the JSON object of the last line."""
        code = self.finish()
        assert code == 0, f"exit code {code}: {self.lines}"
        found: dict[str, Any] = json.loads(self.lines[-1])
        return found


def worker_processes(server: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the workers of the agent that runs in ``server``."""
    return [child for child in psutil.Process(server.pid).children(recursive=True) if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[:1] != [] and process.cmdline()[0].endswith("bfkernel-worker")
    except psutil.Error:
        return False
