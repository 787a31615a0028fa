# SPDX-License-Identifier: BSD-3-Clause
"""What ``make demo`` runs, as it runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "examples" / "quickstart" / "demo.py"


@pytest.mark.timeout(400)
def test_the_demo_succeeds(env: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO), "--keep", str(tmp_path / "kept")]
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=390, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Emulated GPU (softgpu)" in done.stdout
    assert "total memory: 655 MiB" in done.stdout
    assert done.stdout.count("  check: ") == 5
    assert '"memory_mib": 655' in done.stdout
    assert "the pool's leases after: []" in done.stdout
    assert (tmp_path / "kept" / "loss.png").read_bytes().startswith(b"\x89PNG")
