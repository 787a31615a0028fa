# SPDX-License-Identifier: BSD-3-Clause
"""numba-cuda programs on the driver library: numba_programs.py, run in one process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

PROGRAMS = Path(__file__).with_name("numba_programs.py")
NAMES = re.findall(r"^def (program_\w+)", PROGRAMS.read_text(), re.MULTILINE)


def environment(library: Path, folder: Path) -> dict[str, str]:
    """Puts the library in front as libcuda.so.1, as the shim does for a routed kernel."""
    for name in ("libcuda.so.1", "libcuda.so"):
        (folder / name).symlink_to(library)
    search = f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    return {**os.environ, "LD_LIBRARY_PATH": search}


class Outcome:
    """What the one process printed: results by program, and the text in between."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.errors: dict[str, str | None] = {}
        self.text: list[str] = []
        self.stderr = done.stderr
        for line in done.stdout.splitlines():
            try:
                record = json.loads(line)
                self.errors[record["name"]] = record["error"]
            except (ValueError, TypeError, KeyError):
                self.text.append(line)


@pytest.fixture(scope="module")
def outcome(driver_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("driver")
    return Outcome(
        subprocess.run(
            [sys.executable, str(PROGRAMS)], env=environment(driver_library, folder), text=True, timeout=110,
            capture_output=True, check=False,
        )
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_program(outcome: Outcome, name: str) -> None:
    assert name in outcome.errors, f"the process ended before {name}:\n{outcome.stderr[-3000:]}"
    assert outcome.errors[name] is None, outcome.errors[name]


def test_printed_lines(outcome: Outcome) -> None:
    """print() in a kernel arrives on the process' stdout."""
    lines = sorted(line for line in outcome.text if line.startswith("thread"))
    assert lines == [f"thread {i} has {i + 0.5:f} True" for i in range(3)]
