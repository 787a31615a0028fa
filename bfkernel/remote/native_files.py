# SPDX-License-Identifier: BSD-3-Clause
"""Where the native files of the installation are: the shim, the worker and softgpu.

They are installed inside the package, under ``bfkernel/lib``; ``BFKERNEL_NATIVE_DIR`` names another
folder of the same form (a sanitizer build, say).
"""

from __future__ import annotations

import os
from pathlib import Path


def native_dir() -> Path:
    """Return the folder that holds the native files."""
    override = os.environ.get("BFKERNEL_NATIVE_DIR")
    return Path(override) if override else Path(__file__).resolve().parent.parent / "lib"


def _existing(relative: str) -> Path:
    path = native_dir() / relative
    if not path.exists():
        msg = f"{path} is missing: run 'pip install .', or 'make build' in a checkout, to build it."
        raise FileNotFoundError(msg)
    return path


def client_dir() -> Path:
    """Return the folder to put first on a routed process's ``LD_LIBRARY_PATH``: it holds the shim."""
    return _existing("client/libcuda.so.1").parent


def stand_in_dir() -> Path:
    """Return the folder that holds the stand-in for ``nvidia-smi``, and nothing else."""
    return native_dir() / "stand-in"


def worker() -> Path:
    """Return the ``bfkernel-worker`` executable."""
    return _existing("bfkernel-worker")


def softgpu() -> Path:
    """Return the emulated CUDA driver library."""
    return _existing("libsoftgpu.so")
