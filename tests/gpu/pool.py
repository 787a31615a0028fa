# SPDX-License-Identifier: BSD-3-Clause
"""A pool for the check, and programs run on its shares and natively."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .prepare import ROOT, NotReady

BFKERNEL = (sys.executable, "-m", "bfkernel.cli")
READY_LIMIT_S = 60
SOFTGPUS = 2


@contextmanager
def served(env: Mapping[str, str], driver: str) -> Iterator[dict[str, str]]:
    """Serve this machine's GPUs (`auto`) or emulated ones (`softgpu`); yield the environment of clients."""
    with tempfile.TemporaryDirectory(prefix="bfkernel-gpu-check-") as folder:
        runtime = Path(folder, "runtime")
        runtime.mkdir(mode=0o700)
        env = {**env, "BFKERNEL_RUNTIME_DIR": str(runtime)}
        options = ["--port=0", "--data-port=0", f"--state-dir={folder}/state", f"--driver={driver}"]
        if driver == "softgpu":
            options.append(f"--softgpus={SOFTGPUS}")
        with Path(folder, "log").open("w") as log:
            server = subprocess.Popen(
                [*BFKERNEL, "serve", *options], env=env, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True,
            )  # fmt: skip
        try:
            yield {**env, "BFKERNEL_POOL_URL": _ready(server, Path(folder, "log"))}
        finally:
            _end(server)


def _ready(server: subprocess.Popen[str], log: Path) -> str:
    assert server.stdout is not None
    readable, _, _ = select.select([server.stdout], [], [], READY_LIMIT_S)
    words = server.stdout.readline().split() if readable else []
    if len(words) != 2 or words[0] != "ready":
        msg = f"the pool did not start:\n{log.read_text()[-3000:]}"
        raise NotReady(msg)
    return words[1]


def _end(server: subprocess.Popen[str]) -> None:
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait(10)


@dataclass(frozen=True)
class Run:
    """How a program ended and what it printed."""

    output: str
    errors: str
    code: int | None  # None: it did not end in time
    seconds: float

    @property
    def good(self) -> bool:
        return self.code == 0

    def why(self) -> str:
        """Return the last words of a run that failed."""
        if self.code is None:
            return f"did not end within {self.seconds:.0f} s"
        lines = [line for line in (self.errors or self.output).splitlines() if line.strip()]
        return f"exit code {self.code}: {' / '.join(lines[-3:])}"


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of the check."""
    return [sys.executable, "-m", module, *arguments]


def on_share(
    command: Sequence[str], env: Mapping[str, str], share: float, limit_s: float, gpus: int = 1
) -> Run:
    """Run ``command`` on a share of one GPU, or of several."""
    return run([*BFKERNEL, "run", "-n", str(gpus), "-p", f"{share:g}", "--", *command], env, limit_s)


def run(command: Sequence[str], env: Mapping[str, str], limit_s: float) -> Run:
    """Run ``command`` and end it and its children when its time is up."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=dict(env), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    code: int | None = None
    try:
        output, errors = process.communicate(timeout=max(limit_s, 1))
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.terminate()  # bfkernel gives its lease back
        try:
            output, errors = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            output, errors = "", ""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    return Run(output, errors, code, time.monotonic() - began)
