# SPDX-License-Identifier: BSD-3-Clause
"""Run numba-cuda's own tests on leases of a pool with two emulated GPUs, and record what came of them.

Each test module runs in a process of its own under ``bfkernel run``, as a student's program would.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.jupyter_processes import BFKERNEL, Processes, read_line

from . import outcomes, report

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARE = ("-p", "0.2")
TEST_LIMIT_S = 300
MODULE_LIMIT_S = 1200
#: benchmarks/ compares numba with CuPy and PyTorch, and needs both.
LEFT_OUT = ("benchmarks",)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.numba_suite", description=__doc__)
    parser.add_argument(
        "only", nargs="*", help="parts of the names of the modules to run; none: all, and record"
    )
    parser.add_argument(
        "--python", default=ROOT / ".venv-numba/bin/python", help="of numba-cuda's environment"
    )
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    if not Path(arguments.python).exists():
        parser.error(f"{arguments.python} is missing: run 'make numba-suite', which makes the environment")
    modules = [
        m
        for m in find_modules(arguments.python)
        if not arguments.only or any(o in m[0] for o in arguments.only)
    ]
    with tempfile.TemporaryDirectory() as folder:
        all_outcomes = run(modules, arguments.python, Path(folder), arguments.jobs)
    counts = all_outcomes.count()
    print(", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped")))
    for name in all_outcomes.failed():
        print(f"failed: {name}: {all_outcomes.messages.get(name, '')}")
    if arguments.only:
        return 1 if counts["failed"] else 0
    return report.record(all_outcomes, arguments.python)


def find_modules(python: str) -> list[tuple[str, Path]]:
    """Return the test modules of the installed numba-cuda: name and file."""
    code = "import numba_cuda, pathlib; print(pathlib.Path(numba_cuda.__file__).parent)"
    where = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    tests = Path(where.strip()) / "numba" / "cuda" / "tests"
    files = sorted(tests.glob("*/test_*.py"))
    return [(f"{f.parent.name}.{f.stem}", f) for f in files if f.parent.name not in LEFT_OUT]


def run(modules: list[tuple[str, Path]], python: str, folder: Path, jobs: int) -> outcomes.Outcomes:
    """Start a pool, and run the modules, ``jobs`` at a time."""
    logs = folder / "logs"
    logs.mkdir()
    processes = Processes(logs)
    found = outcomes.Outcomes()
    try:
        options = (
            "--port=0",
            "--data-port=0",
            f"--state-dir={folder / 'state'}",
            "--driver=softgpu",
            "--softgpus=2",
        )
        url = read_line(processes.start([*BFKERNEL, "serve", *options], os.environ)).split()[1]
        with ThreadPoolExecutor(jobs) as executor:
            for result in executor.map(lambda m: run_module(*m, python, folder, url), modules):
                found.update(result)
    finally:
        processes.end()
    return found


def run_module(name: str, file: Path, python: str, folder: Path, url: str) -> outcomes.Outcomes:
    """Run one module's tests on a lease of their own."""
    junit = folder / f"{name}.xml"
    pytest = [
        *(
            python,
            "-m",
            "pytest",
            "-q",
            "-c",
            HERE / "numba.ini",
            "--rootdir",
            folder,
            "-p",
            "no:cacheprovider",
        ),
        *("-p", "numba_configuration", f"--timeout={TEST_LIMIT_S}", "--junitxml", junit, file),
    ]
    env = {**os.environ, "BFKERNEL_POOL_URL": url, "PYTHONPATH": str(HERE / "plugins")}
    began = time.monotonic()
    with (folder / f"{name}.log").open("w") as log:
        try:
            command = [*BFKERNEL, "run", *SHARE, "--", *map(str, pytest)]
            subprocess.run(
                command,
                env=env,
                cwd=folder,
                stdout=log,
                stderr=log,
                timeout=MODULE_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            log.write(f"not ended after {MODULE_LIMIT_S} s\n")
    found = outcomes.read(name, junit)
    counts = found.count()
    line = ", ".join(f"{counts[o]} {o}" for o in ("passed", "failed", "skipped") if counts[o])
    print(f"{name:45} {line} ({time.monotonic() - began:.0f} s)", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
