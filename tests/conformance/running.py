# SPDX-License-Identifier: BSD-3-Clause
"""Run a conformance program, through the shim or straight on this machine's driver, and judge it."""

from __future__ import annotations

import difflib
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .sources import Program

RUN_LIMIT_S = 60.0
SHARE = ("-p", "0.05")


@dataclass(frozen=True)
class Outcome:
    """What became of one run."""

    program: Program
    output: str
    errors: str
    code: int | None  # None: it did not end
    seconds: float

    @property
    def passed(self) -> bool:
        return self.code == 0 and self.output == self.program.expected

    def explanation(self) -> str:
        """Say how the run differs from what the program should print."""
        lines = difflib.unified_diff(
            self.program.expected.splitlines(),
            self.output.splitlines(),
            "expected",
            "printed",
            lineterm="",
            n=1,
        )
        ended = "it did not end" if self.code is None else f"exit code {self.code}"
        return "\n".join([f"{self.program.name}: {ended}", *lines, self.errors[-3000:]])


def run_leased(
    program: Program, executable: Path, env: Mapping[str, str], limit_s: float = RUN_LIMIT_S
) -> Outcome:
    """Run it under ``bfkernel run`` on a lease of its own from the pool that ``env`` names."""
    lease = [sys.executable, "-m", "bfkernel.cli", "run", "-n", str(program.gpus), *SHARE, "--"]
    return _run(program, [*lease, str(executable)], env, limit_s)


def run_native(
    program: Program, executable: Path, env: Mapping[str, str], limit_s: float = RUN_LIMIT_S
) -> Outcome:
    """Run it with this machine's own CUDA driver."""
    return _run(program, [str(executable)], env, limit_s)


def _run(program: Program, command: list[str], env: Mapping[str, str], limit_s: float) -> Outcome:
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return Outcome(program, _text(error.stdout), _text(error.stderr), None, limit_s)
    return Outcome(program, done.stdout, done.stderr, done.returncode, time.monotonic() - began)


def _text(printed: bytes | str | None) -> str:
    return printed.decode(errors="replace") if isinstance(printed, bytes) else printed or ""
