# SPDX-License-Identifier: BSD-3-Clause
"""Make a machine without a network ready: carried wheels, the native parts, and what GPUs there are."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "gpu"
SITE = BUILD / "site"
HEADERS = BUILD / "headers"
LIB = ROOT / "bfkernel" / "lib"
BUILD_LIMIT_S = 420
# What the pool and the client import, by the name of the import.
NEEDED = [
    "alembic",
    "click",
    "cryptography",
    "httpx",
    "jwt",
    "prometheus_client",
    "pydantic",
    "pynvml",
    "rich",
    "sqlalchemy",
    "tornado",
]
TOLD = ("torch", "torchvision", "triton", "jax", "cupy-cuda13x", "numba-cuda", "numpy", "nvidia-cudnn-cu13")


class NotReady(Exception):
    """The machine lacks something that no section can do without."""


def environment() -> dict[str, str]:
    """The environment of every process of the check; carried packages come first."""
    path = [str(ROOT), *([str(SITE)] if SITE.exists() else []), os.environ.get("PYTHONPATH", "")]
    env = {key: value for key, value in os.environ.items() if key != "BFKERNEL_TOKEN"}
    return {**env, "PYTHONPATH": os.pathsep.join(filter(None, path)), "BFKERNEL_NATIVE_DIR": str(LIB)}


def install(wheels: Path) -> None:
    """Install the carried wheels into folders of their own, where something is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing and not SITE.exists():
        carried = sorted(wheels.glob("*.whl"))
        if not carried:
            msg = f"not installed: {', '.join(missing)}; no wheels in {wheels} (make gpu-wheels fetches them)"
            raise NotReady(msg)
        # The runtime's package is here for its cuda.h; on the path it would stand before the machine's own.
        headers = [wheel for wheel in carried if wheel.name.startswith("nvidia_cuda_runtime")]
        _pip(SITE, [wheel for wheel in carried if wheel not in headers])
        if headers:
            _pip(HEADERS, headers)


def _pip(target: Path, wheels: list[Path]) -> None:
    options = [
        "--no-index",
        "--no-deps",
        "--no-compile",
        "--no-cache-dir",
        "--quiet",
        "--target",
        str(target),
    ]
    _run([sys.executable, "-m", "pip", "install", *options, *map(str, wheels)], "the carried wheels")


def build() -> None:
    """Build shim, worker and softgpu, where that has not been done."""
    if (LIB / "bfkernel-worker").exists() and (LIB / "client" / "libcuda.so.1").exists():
        return
    folder = BUILD / "native"
    include = next(HEADERS.glob("**/cuda.h"), None)
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DBFKERNEL_OUTPUT_DIR={LIB}",
        f"-DPython3_EXECUTABLE={sys.executable}",
    ]
    if include:
        options.append(f"-DBFKERNEL_CUDA_INCLUDE={include.parent}")
    if ninja := shutil.which("ninja"):
        options += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    cmake = [found] if (found := shutil.which("cmake")) else [sys.executable, "-m", "cmake"]
    _run([*cmake, "-S", str(ROOT), "-B", str(folder), *options], "configuring the native parts")
    _run([*cmake, "--build", str(folder), "--parallel", str(os.cpu_count() or 2)], "the native parts")


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    if done.returncode:
        msg = f"{what}: {' '.join(command[:4])} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        raise NotReady(msg)


def gpus() -> list[dict[str, object]]:
    """Return what NVIDIA's driver on this machine says of its GPUs; nothing where there is none."""
    probe = ROOT / "bfkernel" / "remote" / "agent" / "driver_probe.py"
    command = [sys.executable, str(probe), "libcuda.so.1"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        found = json.loads(done.stdout or "{}").get("gpus", [])
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        found = []
    return list(found)


def missing_packages(names: tuple[str, ...]) -> list[str]:
    """Return those of ``names`` that cannot be imported."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def machine() -> dict[str, object]:
    """Return what a reader of the results wants to know of the machine."""
    versions = {}
    for name in TOLD:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "gpus": gpus(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": versions,
    }
