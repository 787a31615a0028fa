# SPDX-License-Identifier: BSD-3-Clause
"""Fetch wheels for a GPU machine without a network: ``python -m tests.gpu.wheels [--python 3.12]``.

They are bfkernel's own requirements and the CUDA headers that it is built with; the frameworks are expected
to be installed there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from .prepare import ROOT

LIMIT_S = 300
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def requirements() -> list[str]:
    """Return bfkernel's own requirements and the package of its CUDA headers."""
    command = [sys.executable, str(ROOT / ".ci" / "requirements.py"), str(ROOT / "pyproject.toml")]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    header = next(
        line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("CUDA_HEADER")
    )
    return [*listed, header.split()[-1]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="3.12", help="the GPU machine's Python (3.12)")
    parser.add_argument("--into", type=Path, default=ROOT / ".whl")
    options = parser.parse_args()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--only-binary=:all:"]
    target = [f"--python-version={options.python}", "--implementation=cp", f"--dest={options.into}"]
    platforms = [f"--platform={name}" for name in PLATFORMS]
    return subprocess.run(
        [*pip, *target, *platforms, *requirements()], timeout=LIMIT_S, check=False
    ).returncode


if __name__ == "__main__":
    raise SystemExit(main())
