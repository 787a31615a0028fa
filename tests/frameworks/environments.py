# SPDX-License-Identifier: BSD-3-Clause
"""Where NVIDIA's libraries and the frameworks are: ``.venv-frameworks``, made by ``make test-frameworks``.

About 14 GB, so no part of the default set-up. Run as a program, this makes what is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("BFKERNEL_FRAMEWORKS") or Path(__file__).resolve().parents[2] / ".venv-frameworks")
REQUIREMENTS = Path(__file__).parent / "requirements"
# Each CUDA runtime in a folder of its own: the oldest and the newest of each major version that is tried.
RUNTIMES = {
    "12.1.105": "nvidia-cuda-runtime-cu12",
    "12.9.79": "nvidia-cuda-runtime-cu12",
    "13.0.96": "nvidia-cuda-runtime",
    "13.5.37": "nvidia-cuda-runtime",
}
COMMON_HEADERS = "nvidia-cuda-crt==13.5.37"  # crt/host_defines.h, which the runtimes' headers include


def python(major: int = 13) -> Path:
    """The interpreter that has PyTorch, CuPy and JAX (CUDA 13), or TensorFlow (CUDA 12)."""
    return _present(ROOT / f"cuda{major}" / "bin" / "python")


def wheels(major: int) -> Path:
    """The folder that holds NVIDIA's libraries for CUDA 12 or 13."""
    (found,) = _present(ROOT / f"cuda{major}" / "lib").glob("python3*/site-packages/nvidia")
    return found


def runtime(version: str) -> Path:
    """The folder with ``include`` and ``lib`` of one CUDA runtime."""
    return next(_present(ROOT / "cudart" / version).rglob("include")).parent


def common_headers() -> Path:
    """The folder that holds ``crt/``."""
    return next(_present(ROOT / "cudart" / "crt").rglob("crt/host_defines.h")).parents[1]


def _present(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no {path.relative_to(ROOT.parent)}: `make test-frameworks` makes it")
    return path


def _install(into: Path, *packages: str) -> None:
    if into.exists():
        return
    unfinished = into.with_name(into.name + ".part")
    options = ["--no-deps", "--target", str(unfinished)]
    _pip(sys.executable, *options, *packages)
    unfinished.rename(into)


def _pip(interpreter: str, *arguments: str) -> None:
    command = [interpreter, "-m", "pip", "--disable-pip-version-check", "install", "-q", *arguments]
    subprocess.run(command, check=True)


def main() -> None:
    """Make what is not there yet."""
    _install(ROOT / "cudart" / "crt", COMMON_HEADERS)
    for version, package in RUNTIMES.items():
        _install(ROOT / "cudart" / version, f"{package}=={version}")
    for name in ("cuda12", "cuda13"):
        subprocess.run([sys.executable, "-m", "venv", str(ROOT / name)], check=True)
        _pip(str(ROOT / name / "bin" / "python"), "-r", str(REQUIREMENTS / f"{name}.txt"))


if __name__ == "__main__":
    main()
