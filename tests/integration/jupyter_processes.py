# SPDX-License-Identifier: BSD-3-Clause
"""Starting real processes for a test, and leaving none behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.waiting import eventually

BFKERNEL = (sys.executable, "-m", "bfkernel.cli")


class Processes:
    """Starts processes, each in a session of its own, and ends what is left of them and their children."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._started: list[subprocess.Popen[str]] = []
        self._family: set[psutil.Process] = set()

    def start(
        self, command: Sequence[str], env: Mapping[str, str], *, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start ``command``; its stderr goes to a file that :meth:`logs` shows."""
        name = Path(command[0]).stem if command[0] != sys.executable else "-".join(command[2:4])
        with (self._log_dir / f"{len(self._started)}-{name}.log").open("w") as log:
            process = subprocess.Popen(
                command,
                env=dict(env),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def remember_children(self) -> None:
        """Note the children that live now: a killed parent does not tell its children's numbers any more."""
        for process in self._started:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._family.update(psutil.Process(process.pid).children(recursive=True))

    def logs(self) -> str:
        """Return what the processes wrote to stderr, for a failed test's report."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-4000:]}" for path in sorted(self._log_dir.iterdir())
        )

    def logs_of(self, name: str) -> str:
        """Return all that processes whose command begins so wrote to stderr."""
        return "\n".join(path.read_text() for path in sorted(self._log_dir.glob(f"*{name}*.log")))

    def end(self) -> None:
        """Kill everything that was started, children included."""
        self.remember_children()
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for child in self._family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        for process in self._started:
            process.wait(5)
            if process.stdout:
                process.stdout.close()
        eventually(lambda: not any(map(_lives, self._family)), 10, "the end of all processes")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # one that nobody has waited for yet
    except psutil.NoSuchProcess:
        return False


def read_line(process: subprocess.Popen[str], limit_s: float = 30.0) -> str:
    """Return the next line that a process prints; an empty one when it ends first."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], limit_s)
    assert ready, f"process {process.pid} printed nothing within {limit_s:g} s"
    return process.stdout.readline()
