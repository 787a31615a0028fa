# SPDX-License-Identifier: BSD-3-Clause
"""`make gpu-check` as far as it goes without a GPU. (Its conformance section is tests/conformance.)"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def gpu_check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.gpu", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False
    )


def test_dry_run_goes_through_all_sections_and_writes_its_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sections = ["memory", "clients", "speed", "gpt", "torch", "libraries", "compile", "jax", "cupy", "numba"]
    done = gpu_check("--dry", "--json", str(tmp_path / "seen.json"), *sections, OUT=str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "seen.json").read_text())
    assert found["machine"]["dry"] is True
    assert {row["section"] for row in found["rows"]} == set(sections)
    verdicts = {(row["section"], row["verdict"]) for row in found["rows"]}
    assert {("memory", "passed"), ("clients", "passed"), ("numba", "passed")} <= verdicts
    assert json.loads((out / "gpu-check.json").read_text()) == found
    assert (out / "gpu-check.md").read_text() in done.stdout


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    done = gpu_check("memory", "--json", str(tmp_path / "seen.json"))
    if done.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert done.returncode == 2
    assert "no GPU" in done.stderr
    assert "--dry" in done.stderr
